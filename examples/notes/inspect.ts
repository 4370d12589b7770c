// Shows what the store holds for one session: the record field by field, its bytes, and its deadlines.
import { inspect, isDeepStrictEqual } from 'node:util'
import {
  type Dictionary,
  type SerializerName,
  type Session,
  type Store,
  serializers
} from 'fastify-ioredis-session'
import { whyEnded } from './ended.js'

export const serializerNames = Object.keys(serializers) as SerializerName[]
for (const { load } of Object.values(serializers)) await load?.()

// A record begins with a header of 32 bytes; the payload follows. All numbers in it are unsigned and big-endian.
const HEADER: readonly { name: string; length: number; show: (value: number) => string }[] = [
  { name: 'Format', length: 1, show: (value) => `${hex(value, 2)}, a record of this package` },
  { name: 'Layout', length: 1, show: (value) => `version ${value}` },
  { name: 'Serializer', length: 1, show: (value) => `${nameOfTag(value)}, tag ${value}` },
  {
    name: 'Flags',
    length: 1,
    show: (value) => `permanent: ${yesOrNo(value & 1)}, moved: ${yesOrNo(value & 2)}`
  },
  { name: 'Schema version', length: 4, show: (value) => (value === 0 ? '0, not used' : String(value)) },
  { name: 'Created at', length: 6, show: instant },
  { name: 'Revision, counter', length: 4, show: String },
  { name: 'Revision, nonce', length: 4, show: (value) => hex(value, 8) },
  { name: 'Touched at', length: 6, show: instant },
  { name: 'Idle timeout', length: 4, show: (value) => `${value.toLocaleString('en')} s` }
]

export interface Inspection {
  key: string
  /** The name of the serializer that writes new records. An earlier one may have written this record. */
  writer: string
  /** The header and payload, in hex. */
  record: string
  fields: { name: string; length: number; value: string }[]
  /**
   * The size of this session in each serializer. `isExact`: the serializer keeps every type that the application puts
   * into a session.
   */
  sizes: { name: string; bytes: number; isExact: boolean; isUsed: boolean }[]
  /** Milliseconds that remain, and in total. */
  idle: { left: number; of: number }
  absolute: { left: number; of: number }
  /** The data that a route sees, as `console.log(session.data())` would print it. */
  data: string
}

interface Settings {
  prefix: string
  writer: string
  /** In seconds. */
  absoluteTimeout: number
}

/** Null if nothing is stored, with the reason. The key is made of `session.id`, the public handle; the secret id stays unknown. */
export async function inspectSession(
  session: Session,
  store: Store,
  { prefix, writer, absoluteTimeout }: Settings
): Promise<{ session: Inspection } | { session: null; why: string }> {
  const key = prefix + session.id
  const record = session.isNew ? undefined : await store.read(key)
  if (record === undefined) return { session: null, why: whyEnded(session) }
  const data: Dictionary = { ...session.data() }
  const tag = record.readUInt8(2)
  const [createdAt, touchedAt] = [record.readUIntBE(8, 6), record.readUIntBE(22, 6)]
  const [idle, absolute] = [record.readUInt32BE(28) * 1000, absoluteTimeout * 1000]
  const now = Date.now()
  return {
    session: {
      key,
      writer,
      record: record.toString('hex'),
      fields: fieldsOf(record),
      sizes: serializerNames.map((name) => ({
        ...sizeIn(name, data),
        isUsed: serializers[name].tag === tag
      })),
      idle: { left: touchedAt + idle - now, of: idle },
      absolute: { left: createdAt + absolute - now, of: absolute },
      data: inspect(data, { depth: 5, breakLength: 72 })
    }
  }
}

function fieldsOf(record: Buffer): Inspection['fields'] {
  let offset = 0
  return HEADER.map(({ name, length, show }) => {
    const value = show(record.readUIntBE(offset, length))
    offset += length
    return { name, length, value }
  })
}

function sizeIn(name: SerializerName, data: Dictionary): { name: string; bytes: number; isExact: boolean } {
  const { encode } = serializers[name]
  return {
    name,
    bytes: Buffer.from(encode(data)).length,
    isExact: bringsBack(name, data) && bringsBack(name, EVERY_TYPE)
  }
}

// Test values of each type. Stored data is no test: a lost type has already become another one, which is then kept.
const EVERY_TYPE = { account: { signedInAt: new Date() }, notes: [{ tags: new Set(['tag']) }] }

function bringsBack(name: SerializerName, data: Dictionary): boolean {
  const { encode, decode } = serializers[name]
  return isDeepStrictEqual(decode(Buffer.from(encode(data))), data)
}

function nameOfTag(tag: number): string {
  return serializerNames.find((name) => serializers[name].tag === tag) ?? 'unknown'
}

function instant(value: number): string {
  return `${new Date(value).toISOString().replace('T', ' ').slice(0, 19)} UTC`
}

function hex(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, '0')}`
}

function yesOrNo(bit: number): string {
  return bit === 0 ? 'no' : 'yes'
}
