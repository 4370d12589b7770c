// Seals the records that go into a store, and opens those that come out of it.
import { Buffer } from 'node:buffer'
import { FIRST_BYTE, isSealed, refuse, SEALED, view } from '../records/record.js'
import type { Keys } from './keys.js'
import { keyIdOf, sealRecord, unsealRecord } from './sealed-record.js'

const UNKNOWN_KEY = 'it is sealed by a key that is not in encryption.keys (add that key)'
const CHANGED = 'it was changed or copied from another place after it was sealed'
const NOT_SEALED = 'it is not sealed, and encryption.required is set (seal it by convert --seal)'

export interface SealerOptions {
  /** Whether records that are not sealed are refused. */
  required: boolean
  /** Whether new records are sealed. */
  seal: boolean
}

export class Sealer {
  readonly #keys: Keys
  readonly #options: SealerOptions
  /** What was sealed last, by the record: a record never changes. */
  readonly #sealed = new WeakMap<Uint8Array, { place: string; bytes: Buffer }>()

  constructor(keys: Keys, options: SealerOptions) {
    this.#keys = keys
    this.#options = options
  }

  /** A record that is sent again has the same bytes, so that a store recognises it. */
  async seal(place: string, record: Uint8Array): Promise<Uint8Array> {
    if (!this.#options.seal) return record
    const earlier = this.#sealed.get(record)
    if (earlier?.place === place) return earlier.bytes
    const bytes = sealRecord(record, place, await this.#keys.newest())
    this.#sealed.set(record, { place, bytes })
    return bytes
  }

  /** A record that cannot be opened comes back sealed, and `openRecord` refuses it with the reason. */
  async open(place: string, bytes: Uint8Array): Promise<Buffer> {
    const stored = view(bytes)
    if (!isSealed(stored)) return this.#options.required ? refuseClear(stored) : stored
    const id = keyIdOf(stored)
    if (id === undefined) return refuse(stored, CHANGED)
    const key = await this.#keys.find(id)
    if (key === undefined) return refuse(stored, UNKNOWN_KEY)
    return unsealRecord(stored, place, key) ?? refuse(stored, CHANGED)
  }
}

// What is no record of ours is refused as such.
function refuseClear(stored: Buffer): Buffer {
  if (stored[0] !== FIRST_BYTE) return stored
  const marked = Buffer.from(stored)
  marked[SEALED.offset] = (marked[SEALED.offset] ?? 0) | SEALED.bit
  return refuse(marked, NOT_SEALED)
}
