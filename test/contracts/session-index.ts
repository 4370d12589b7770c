// The contract of an index of sessions.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Entered, Entry, Indexed, SessionIndex } from '../../lib/stores/session-index.js'

const HOUR = 3_600_000

/** A name of the shape that handles have. */
export function newHandle(): string {
  return randomBytes(32).toString('base64url')
}

const LOGIN: Omit<Entry, 'handle'> = {
  lifetime: HOUR,
  entering: 0,
  from: '',
  isLogin: true,
  limit: 0,
  drop: []
}

/**
 * Runs the contract as subtests of this test.
 * @param open Opens the same storage each time, through another connection if it has connections.
 */
export function indexContract(t: Test, open: () => Promise<SessionIndex>): void {
  const newKey = () => `contract:user:${newHandle()}`

  async function begin() {
    const [index, other] = [await open(), await open()]
    const key = newKey()
    const enter = (handle: string, entry: Partial<Entry> = {}, by = index): Promise<Entered> =>
      by.enter(key, { ...LOGIN, handle, ...entry })
    const handles = async (by = other) => (await by.list(key)).map(({ handle }) => handle).sort()
    return { index, other, key, enter, handles }
  }

  t.test('enter(), leave(): a set has the sessions that have entered and not left', async (t) => {
    const { index, enter, handles, key } = await begin()
    t.same(await handles(), [])
    await index.leave(key, [newHandle()])
    const [a, b, c] = [newHandle(), newHandle(), newHandle()].sort() as [string, string, string]
    for (const handle of [a, b, c, b]) t.equal(await enter(handle), 'entered')
    t.same(await handles(), [a, b, c])
    await index.leave(key, [a, c, newHandle()])
    t.same(await handles(), [b])
    t.same(await index.list(newKey()), [], 'other sets are not concerned')
  })

  t.test('enter(): an entry is forgotten after its lifetime, which another one renews', async (t) => {
    const { enter, handles } = await begin()
    const [brief, renewed, long] = [newHandle(), newHandle(), newHandle()]
    await enter(brief, { lifetime: 40 })
    await enter(renewed, { lifetime: 40 })
    await enter(renewed, { lifetime: HOUR, isLogin: false })
    await enter(long)
    while ((await handles()).includes(brief)) await sleep(5)
    t.same(await handles(), [renewed, long].sort())
    t.equal(await enter(brief, { limit: 3 }), 'entered', 'a forgotten entry does not count')
  })

  t.test('list(): tells which records may be about to be written', async (t) => {
    const { enter, key, other } = await begin()
    const [a, b] = [newHandle(), newHandle()]
    await enter(a)
    await enter(b, { entering: 1_500 })
    const isEntering = async (handle: string) =>
      (await other.list(key)).find((each) => each.handle === handle)?.isEntering
    t.equal(await isEntering(a), false)
    t.equal(await isEntering(b), true)
    while (await isEntering(b)) await sleep(5)
    t.equal((await other.list(key)).length, 2, 'the session stays')
  })

  t.test('enter(): a full set adds no login, and answers with its sessions', async (t) => {
    const { enter, handles } = await begin()
    const [a, b, c, d] = [newHandle(), newHandle(), newHandle(), newHandle()]
    t.equal(await enter(a, { limit: 2, entering: HOUR }), 'entered')
    t.equal(await enter(b, { limit: 2 }), 'entered')
    const full = (await enter(c, { limit: 2, entering: HOUR })) as Indexed[]
    t.same(
      new Map(full.map(({ handle, isEntering }) => [handle, isEntering])),
      new Map([
        [a, true],
        [b, false]
      ])
    )
    t.same(await handles(), [a, b].sort())
    t.equal(await enter(a, { limit: 2 }), 'entered', 'a member is no further session')
    t.equal(await enter(c, { limit: 2, from: b }), 'entered', 'a member that gets another handle neither')
    t.equal(await enter(d, { limit: 2, drop: [a] }).then(Array.isArray), true, 'still full')
    t.same(await handles(), [b, c].sort(), 'what was to be dropped has left')
    t.equal(await enter(d, { limit: 2, drop: [b, newHandle()] }), 'entered')
    t.same(await handles(), [c, d].sort())
    t.equal(await enter(newHandle(), { limit: 0 }), 'entered', 'without a limit')
    t.equal(await enter(newHandle(), { limit: 2, isLogin: false }), 'entered', 'not a login')
  })

  t.test('enter(): of many at once, exactly as many enter as the limit allows', async (t) => {
    const { enter, handles, index, other } = await begin()
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => enter(newHandle(), { limit: 5 }, at % 2 === 0 ? index : other))
    )
    t.equal(answers.filter((answer) => answer === 'entered').length, 5)
    t.equal((await handles()).length, 5)
  })

  t.test('revoke(): sessions that are no members are refused, except logins', async (t) => {
    const { enter, handles, index, key } = await begin()
    const [a, b, kept] = [newHandle(), newHandle(), newHandle()]
    for (const handle of [a, kept]) await enter(handle)
    await enter(b, { entering: HOUR })
    t.equal(await enter(newHandle(), { isLogin: false, lifetime: 1 }), 'entered', 'nothing was revoked yet')
    while ((await handles()).length > 3) await sleep(5)
    t.same(new Set(await index.revoke(key, [kept, newHandle()], HOUR)), new Set([a, b]))
    for (const handle of [a, b, newHandle()]) {
      t.equal(await enter(handle, { isLogin: false }), 'refused')
      t.equal(await enter(newHandle(), { isLogin: false, from: handle }), 'refused')
    }
    t.equal(await enter(kept, { isLogin: false }), 'entered')
    t.equal(await enter(newHandle(), { isLogin: false, from: kept }), 'entered')
    t.equal(await enter(newHandle()), 'entered', 'a login')
    t.same((await handles()).filter((handle) => [a, b].includes(handle)).sort(), [a, b].sort())
  })

  t.test('revoke(): returns the same sessions again until they leave', async (t) => {
    const { enter, handles, index, other, key } = await begin()
    const [a, b] = [newHandle(), newHandle()]
    for (const handle of [a, b]) await enter(handle, { entering: HOUR })
    t.same(new Set(await index.revoke(key, [], HOUR)), new Set([a, b]))
    t.same(new Set(await other.revoke(key, [], HOUR)), new Set([a, b]))
    t.same(
      (await other.list(key)).map(({ isEntering }) => isEntering),
      [false, false]
    )
    t.same(await enter(newHandle(), { limit: 2 }).then(Array.isArray), true, 'they count until then')
    await index.leave(key, [a])
    t.same(await other.revoke(key, [], HOUR), [b])
    t.equal(await enter(newHandle(), { limit: 1, drop: [b] }), 'entered')
    t.equal((await handles()).length, 1)
  })

  t.test('revoke(): a set without sessions refuses too, until the mark is forgotten', async (t) => {
    const { enter, index, key } = await begin()
    t.same(await index.revoke(key, [], 1_500), [])
    t.equal(await enter(newHandle(), { isLogin: false }), 'refused')
    while ((await enter(newHandle(), { isLogin: false })) === 'refused') await sleep(5)
  })
}
