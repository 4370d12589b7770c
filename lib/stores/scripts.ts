// What Redis carries out for a session: each script compares and writes one key in one step.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { FIRST_BYTE, REVISION, TOMBSTONE, TOUCH } from './store.js'

export interface Script {
  source: string
  sha: string
}

/** A conditional write: of one key, and of several, none of which depends on another. */
export interface Write {
  alone: Script
  together: Script
}

export type Call = readonly [key: string, revision: Buffer, bytes: Buffer, milliseconds: number]

/**
 * What is answered for a key that has no record, or that Redis refuses to write: this one is then written alone. A proxy
 * that spreads keys over servers sends a script to the server of its first key, where the others are missing.
 */
export const ALONE = -1

const REVISION_RANGE = `${REVISION.offset}, ${REVISION.offset + REVISION.length - 1}`

/** Replaces a record. If it is there byte for byte, an earlier try of this very write was carried out. */
export const UPDATE = writeOf(
  (call, { key, bytes, milliseconds }) => `${call}('SET', ${key}, ${bytes}, 'PX', ${milliseconds})`,
  ({ bytes }) => `there == ${bytes}`
)

/** Patches a record. The expected revision with the patch in it is an earlier try of this very touch. */
export const TOUCHING = writeOf(
  (call, { key, bytes, milliseconds }) =>
    `${call}('SETRANGE', ${key}, ${TOUCH.offset}, ${bytes}) ${call}('PEXPIRE', ${key}, ${milliseconds})`,
  ({ bytes, expected }) =>
    `found == string.sub(${expected}, 1, ${TOUCH.offset - REVISION.offset}) .. ${bytes}`
)

/** Whether an earlier try of this very creation was carried out. */
export const CREATED = script(`if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2]) return 1`)

// WAIT counts what its own connection has written. What an earlier try has removed, on a connection that was lost, is
// on enough replicas only if something that this connection writes is: a key that comes and goes in one step.
const PROPAGATE = "redis.call('SET', KEYS[1], '', 'PX', 1) redis.call('DEL', KEYS[1])"

export const DESTROY = destroying('')
export const DESTROY_DURABLY = destroying(PROPAGATE)
export const END = ending('')
export const END_DURABLY = ending(PROPAGATE)

interface Names {
  key: string
  expected: string
  bytes: string
  milliseconds: string
}

// @param write The Lua of the write.
// @param isOwn The Lua that tells whether it has taken place before, by the revision `found` and the record `there`.
function writeOf(write: (call: string, names: Names) => string, isOwn: (names: Names) => string): Write {
  const one = { key: 'KEYS[1]', expected: 'ARGV[1]', bytes: 'ARGV[2]', milliseconds: 'ARGV[3]' }
  const each = { key: 'key', expected: 'expected', bytes: 'ARGV[i + 1]', milliseconds: 'milliseconds' }
  // GETRANGE answers '' where there is no key, so the whole record travels only on a conflict. What is there already is
  // given its end once more, which is written for WAIT to count.
  return {
    alone: script(`local found = redis.call('GETRANGE', KEYS[1], ${REVISION_RANGE})
if found == ARGV[1] then ${write('redis.call', one)} return 1 end
local there = redis.call('GET', KEYS[1])
if ${isOwn(one)} then redis.call('PEXPIRE', KEYS[1], ARGV[3]) return 1 end
return there or 0`),
    together: script(`local outcomes, at = {}, 1
for i, key in ipairs(KEYS) do
  local expected, milliseconds, reply
  expected, milliseconds, at = struct.unpack('>I4c0d', ARGV[1], at)
  local found = redis.pcall('GETRANGE', key, ${REVISION_RANGE})
  outcomes[i] = 1
  if found == expected then
    reply = ${write('redis.pcall', each)}
  else
    local there = redis.pcall('GET', key)
    if ${isOwn(each)} then
      reply = redis.pcall('PEXPIRE', key, milliseconds)
    else
      reply = there
      outcomes[i] = there or ${ALONE}
    end
  end
  if type(reply) == 'table' and reply.err then outcomes[i] = ${ALONE} end
end
return outcomes`)
  }
}

// @param onMissing What is written where there is nothing to destroy.
function destroying(onMissing: string): Script {
  return script(`local found = redis.call('GETRANGE', KEYS[1], ${REVISION_RANGE})
if found == ARGV[1] then redis.call('DEL', KEYS[1]) return 1 end
local there = redis.call('GET', KEYS[1])
if there then return there end
${onMissing} return 0`)
}

function ending(onMissing: string): Script {
  return script(`local head = redis.call('GETRANGE', KEYS[1], 0, ${TOMBSTONE.offset})
if string.byte(head) == ${FIRST_BYTE} and #head > ${TOMBSTONE.offset} and bit.band(string.byte(head, ${TOMBSTONE.offset + 1}), ${TOMBSTONE.bit}) ~= 0 then
  return redis.call('GET', KEYS[1])
end
if redis.call('DEL', KEYS[1]) == 1 then return 1 end
${onMissing} return 0`)
}

/**
 * What is small about these calls as one argument, which the script for several keys unpacks, and the bytes of each: a
 * client writes every argument by itself.
 */
export function packed(calls: readonly Call[]): Buffer[] {
  const size = calls.reduce((sum, [, revision]) => sum + 4 + revision.length + 8, 0)
  const small = Buffer.allocUnsafe(size)
  const args: Buffer[] = [small]
  let at = 0
  for (const [, revision, bytes, milliseconds] of calls) {
    at = small.writeUInt32BE(revision.length, at)
    at += revision.copy(small, at)
    at = small.writeDoubleBE(milliseconds, at)
    args.push(bytes)
  }
  return args
}

function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
