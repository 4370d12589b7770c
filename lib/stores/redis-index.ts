// The index in Redis: a sorted set for each user. A score is the instant, by the clock of Redis, at which the member may
// be forgotten.
import { type Script, script } from './scripts.js'
import {
  ENDING,
  ENTERING,
  type Entered,
  type Entry,
  type Indexed,
  membersOf,
  REVOKED,
  type SessionIndex,
  sessionsIn
} from './session-index.js'

/** Runs a script on one key. One that only reads waits for no replica. */
type Run = (script: Script, key: string, args: (string | number)[], isRead?: boolean) => Promise<unknown>

const NOW = `local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`
const FORGET = `redis.call('ZREMRANGEBYSCORE', key, '-inf', now)`
// The set lives as long as the member that is remembered longest.
const EXPIRE = `local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
redis.call('PEXPIRE', key, last[2] - now)`

// ARGV: handle, lifetime, entering, from, isLogin, limit, members to drop
const ENTER = script(`${NOW}
${FORGET}
for i = 7, #ARGV do redis.call('ZREM', key, ARGV[i]) end
local handle, limit = ARGV[1], tonumber(ARGV[6])
if not redis.call('ZSCORE', key, handle) and not redis.call('ZSCORE', key, ARGV[4]) then
  if ARGV[5] == '0' then
    if redis.call('ZSCORE', key, '${REVOKED}') then return 0 end
  elseif limit > 0 then
    local members, count = redis.call('ZRANGE', key, 0, -1), 0
    for _, member in ipairs(members) do
      if member ~= '${REVOKED}' and string.sub(member, 1, 1) ~= '${ENTERING}' then count = count + 1 end
    end
    if count >= limit then return members end
  end
end
redis.call('ZADD', key, now + ARGV[2], handle)
if ARGV[3] ~= '0' then redis.call('ZADD', key, now + ARGV[3], '${ENTERING}' .. handle) end
${EXPIRE}
return 1`)

const LIST = script(`${NOW}
local members, living = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES'), {}
for i = 1, #members, 2 do
  if tonumber(members[i + 1]) >= now then living[#living + 1] = members[i] end
end
return living`)

// ARGV: members
const LEAVE = script(`for i = 1, #ARGV do redis.call('ZREM', KEYS[1], ARGV[i]) end
return 1`)

// ARGV: lifetime of the mark, handles to keep
const REVOKE = script(`${NOW}
${FORGET}
local keep, revoked = {}, {}
for i = 2, #ARGV do keep[ARGV[i]] = true end
local members = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
for i = 1, #members, 2 do
  local member, kind = members[i], string.sub(members[i], 1, 1)
  if kind == '${ENDING}' then
    revoked[#revoked + 1] = string.sub(member, 2)
  elseif kind ~= '${ENTERING}' and member ~= '${REVOKED}' and not keep[member] then
    redis.call('ZREM', key, member, '${ENTERING}' .. member)
    redis.call('ZADD', key, members[i + 1], '${ENDING}' .. member)
    revoked[#revoked + 1] = member
  end
end
redis.call('ZADD', key, now + ARGV[1], '${REVOKED}')
${EXPIRE}
return revoked`)

export class RedisIndex implements SessionIndex {
  readonly #run: Run

  constructor(run: Run) {
    this.#run = run
  }

  async enter(key: string, entry: Entry): Promise<Entered> {
    const { handle, lifetime, entering, from, isLogin, limit, drop } = entry
    const reply = await this.#run(ENTER, key, [
      ...[handle, Math.ceil(lifetime), entering, from, isLogin ? 1 : 0, limit],
      ...drop.flatMap(membersOf)
    ])
    if (Array.isArray(reply)) return sessionsIn(reply.map(String))
    return Number(reply) === 1 ? 'entered' : 'refused'
  }

  async list(key: string): Promise<Indexed[]> {
    return sessionsIn(textsOf(await this.#run(LIST, key, [], true)))
  }

  async leave(key: string, handles: readonly string[]): Promise<void> {
    await this.#run(LEAVE, key, handles.flatMap(membersOf))
  }

  async revoke(key: string, keep: readonly string[], lifetime: number): Promise<string[]> {
    return textsOf(await this.#run(REVOKE, key, [Math.ceil(lifetime), ...keep]))
  }
}

function textsOf(reply: unknown): string[] {
  return (reply as unknown[]).map(String)
}
