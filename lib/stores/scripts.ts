// The Lua scripts of the Redis store. Each compares and writes a key in one atomic step.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { FIRST_BYTE, REVISION, TOMBSTONE, TOUCH } from './store.js'

export interface Script {
  source: string
  sha: string
}

/** A conditional write, as a script for one key and as a script for several independent keys. */
export interface Write {
  alone: Script
  together: Script
}

export type Call = readonly [key: string, revision: Buffer, bytes: Buffer, milliseconds: number]

/**
 * The script's answer for a key that has no record, or that Redis refuses to write. The store then writes that key
 * alone: a proxy that spreads keys over servers sends a script to the server of its first key, where other keys are
 * missing.
 */
export const ALONE = -1

interface Names {
  key: string
  expected: string
  bytes: string
  milliseconds: string
}

/** The arguments of a script for one key. */
const ONE: Names = { key: 'KEYS[1]', expected: 'ARGV[1]', bytes: 'ARGV[2]', milliseconds: 'ARGV[3]' }

const REVISION_RANGE = `${REVISION.offset}, ${REVISION.offset + REVISION.length - 1}`

/** Replaces a record. If the key already holds the same bytes, an earlier try of this write has succeeded. */
export const UPDATE = writeOf(replace, isReplaced)

/** Patches a record. If it has the expected revision with this patch, an earlier try of this touch has succeeded. */
export const TOUCHING = writeOf(
  (call, { key, bytes, milliseconds }) =>
    `${call}('SETRANGE', ${key}, ${TOUCH.offset}, ${bytes}) ${call}('PEXPIRE', ${key}, ${milliseconds})`,
  ({ bytes, expected }) =>
    `found == string.sub(${expected}, 1, ${TOUCH.offset - REVISION.offset}) .. ${bytes}`
)

/** Whether an earlier try of this creation has succeeded. */
export const CREATED = script(`if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2]) return 1`)

// WAIT counts the writes of its own connection. An earlier try may have removed the record over a connection that was
// lost. This write makes WAIT cover that removal too, because replication is ordered.
const PROPAGATE = "redis.call('SET', KEYS[1], '', 'PX', 1) redis.call('DEL', KEYS[1])"

// The same for a tombstone of another request, which replicas may not have yet: it is written again as it is.
const PROPAGATE_TOMBSTONE = "redis.call('SETRANGE', KEYS[1], 0, string.char(string.byte(there)))"

/** The scripts that end sessions. */
export interface EndScripts {
  destroy: Script
  end: Script
  /** Puts a mark in the place of a record. */
  mark: Script
  /** The same, also if there is no record. */
  markAlways: Script
  /** Replaces a record by a tombstone, or by one that expires sooner. */
  tell: Script
}

/**
 * @param isDurable Whether WAIT follows.
 * @param isTold Whether the last argument is a channel, on which they publish the key.
 */
export function endScripts(isDurable: boolean, isTold: boolean): EndScripts {
  // Published first: if that is refused, nothing is written.
  const tell = isTold ? "redis.call('PUBLISH', ARGV[#ARGV], KEYS[1])" : ''
  const onMissing = isDurable ? PROPAGATE : ''
  const onTombstone = isDurable ? PROPAGATE_TOMBSTONE : ''
  const ending = (isThere: string, end: string, otherwise = onMissing) =>
    endingOf(isThere, end, otherwise, onTombstone)
  return {
    destroy: destroying(tell, onMissing, onTombstone),
    end: isTold
      ? ending(IS_THERE, `${tell} redis.call('DEL', KEYS[1])`)
      : ending("redis.call('DEL', KEYS[1]) == 1", ''),
    mark: ending(IS_THERE, `${tell} ${SET_MARK}`),
    markAlways: ending(IS_THERE, `${tell} ${SET_MARK}`, SET_MARK),
    tell: replacing(tell)
  }
}

// @param write Lua statements that write.
// @param isOwn A Lua condition: whether the write succeeded before, by the revision `found` and the record `there`.
function writeOf(write: (call: string, names: Names) => string, isOwn: (names: Names) => string): Write {
  const each = { key: 'key', expected: 'expected', bytes: 'bytes', milliseconds: 'milliseconds' }
  return {
    alone: writing(write('redis.call', ONE), isOwn(ONE)),
    together: script(`local outcomes, at = {}, 1
for i, key in ipairs(KEYS) do
  local expected, milliseconds, bytes, reply
  expected, milliseconds, bytes, at = struct.unpack('>I4c0dI4c0', ARGV[1], at)
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

function replace(call: string, { key, bytes, milliseconds }: Names): string {
  return `${call}('SET', ${key}, ${bytes}, 'PX', ${milliseconds})`
}

function isReplaced({ bytes }: Names): string {
  return `there == ${bytes}`
}

function replacing(tell: string): Script {
  return writing(`${tell} ${replace('redis.call', ONE)}`, isReplaced(ONE))
}

// GETRANGE returns '' if there is no key, so the whole record is sent only on a conflict. If the write succeeded before,
// PEXPIRE sets the expiry again, so that WAIT has a write to count.
function writing(write: string, isOwn: string): Script {
  return script(`local found = redis.call('GETRANGE', KEYS[1], ${REVISION_RANGE})
if found == ARGV[1] then ${write} return 1 end
local there = redis.call('GET', KEYS[1])
if ${isOwn} then redis.call('PEXPIRE', KEYS[1], ARGV[3]) return 1 end
return there or 0`)
}

// @param onMissing Lua statements that run if there is nothing to destroy.
// @param onTombstone The same if there is a tombstone `there`.
function destroying(tell: string, onMissing: string, onTombstone: string): Script {
  const ifTombstone = onTombstone && `if ${isTombstone('there')} then ${onTombstone} end`
  return script(`local found = redis.call('GETRANGE', KEYS[1], ${REVISION_RANGE})
if found == ARGV[1] then ${tell} redis.call('DEL', KEYS[1]) return 1 end
local there = redis.call('GET', KEYS[1])
if there then ${ifTombstone} return there end
${onMissing} return 0`)
}

const SET_MARK = "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])"
const IS_THERE = "redis.call('EXISTS', KEYS[1]) == 1"

// @param isThere A Lua condition: whether there is something to end, once it is no tombstone.
function endingOf(isThere: string, end: string, onMissing: string, onTombstone: string): Script {
  return script(`local there = redis.call('GETRANGE', KEYS[1], 0, ${TOMBSTONE.offset})
if ${isTombstone('there')} then ${onTombstone} return redis.call('GET', KEYS[1]) end
if ${isThere} then ${end} return 1 end
${onMissing} return 0`)
}

// A Lua condition on the first bytes of a record.
function isTombstone(bytes: string): string {
  const { bit, offset } = TOMBSTONE
  const flags = `string.byte(${bytes}, ${offset + 1})`
  return `string.byte(${bytes}) == ${FIRST_BYTE} and #${bytes} > ${offset} and bit.band(${flags}, ${bit}) ~= 0`
}

/** The argument of the script for several keys: a single one, because clients write each argument separately. */
export function packed(calls: readonly Call[]): Buffer {
  const size = calls.reduce((sum, [, revision, bytes]) => sum + 4 + revision.length + 8 + 4 + bytes.length, 0)
  const all = Buffer.allocUnsafe(size)
  let at = 0
  for (const [, revision, bytes, milliseconds] of calls) {
    at = all.writeUInt32BE(revision.length, at)
    at += revision.copy(all, at)
    at = all.writeDoubleBE(milliseconds, at)
    at = all.writeUInt32BE(bytes.length, at)
    at += bytes.copy(all, at)
  }
  return all
}

export function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
