// Any order of new ids and of requests with current and old ones, at instants around the grace period: the session ends if
// and only if a replaced id came back after it.
import t from 'tap'
import type { MemoryStore, Store } from '../../lib/index.js'
import { memory } from '../support/memory.js'
import fc from '../support/properties.js'
import { stopClock } from '../support/stopped-clock.js'
import { COOKIE, deploy, GRACE, SKEW } from './stage.js'

const WINDOW = 1_000
const RUNS = 150

/** Ids by their place from the newest: 0 is the current one. */
const request = fc.oneof(
  fc.record({ url: fc.constant('/move'), ids: fc.constant([0]) }),
  fc.record({
    url: fc.constantFrom('/look', '/edit'),
    ids: fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 2 })
  })
)
const step = fc.record({
  seconds: fc.constantFrom(0, 0, 1, GRACE - 1, GRACE, GRACE + SKEW, GRACE + SKEW + 1, WINDOW / 2),
  requests: fc.array(request, { minLength: 1, maxLength: 3 })
})

/** The store, whose operations run in the order of a scheduler. */
function scheduled(store: MemoryStore): { store: Store; use(scheduler: fc.Scheduler | undefined): void } {
  let scheduler: fc.Scheduler | undefined
  const around =
    <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      await scheduler?.schedule(Promise.resolve())
      return call.apply(store, args)
    }
  return {
    store: {
      read: around(store.read),
      create: around(store.create),
      update: around(store.update),
      touch: around(store.touch),
      destroy: around(store.destroy),
      end: around(store.end)
    },
    use(next) {
      scheduler = next
    }
  }
}

t.test(`${RUNS} histories`, async (t) => {
  const clock = stopClock(t)
  const { store, use } = scheduled(memory(t))
  const options = { store, idleTimeout: 86_400, onReplay: { action: 'end', window: WINDOW } } as const
  const app = await deploy(t, options)
  app.get('/edit', async ({ session }) => {
    if (session.userId !== undefined) session.count = (session.count ?? 0) + 1
    return {}
  })
  const send = (url: string, values: readonly string[]) =>
    app.inject({ url, headers: { cookie: values.map((value) => `${COOKIE}=${value}`).join('; ') } })
  const seen = { ended: 0, raced: 0, movedWhileReplayed: 0, besideOld: 0 }

  const property = fc.asyncProperty(
    fc.array(step, { minLength: 2, maxLength: 8 }),
    fc.scheduler(),
    async (steps, scheduler) => {
      use(undefined)
      const login = await app.inject('/login')
      /** Newest first, and when each was replaced. */
      const ids = [{ value: login.cookies[0]?.value ?? '', replacedAt: Number.POSITIVE_INFINITY }]
      let isAlive = true
      for (const { seconds, requests } of steps) {
        clock.advance(seconds * 1_000)
        const now = Date.now()
        const sent = requests
          .map(({ url, ids: places }) => ({
            url,
            used: places.flatMap((place) => ids.slice(place, place + 1))
          }))
          .filter(({ used }) => used.length > 0)
        const isReplayed = (at: number) => now - at > (GRACE + SKEW) * 1_000
        const isForgotten = (at: number) => now - at > (GRACE + SKEW + WINDOW) * 1_000
        // Neither the current id nor one that may be in flight comes along.
        const replays = sent.filter(
          ({ used }) =>
            used.every(({ replacedAt }) => isReplayed(replacedAt)) &&
            used.some(({ replacedAt }) => !isForgotten(replacedAt))
        )
        use(scheduler)
        const answers = sent.map(({ url, used }) =>
          send(
            url,
            used.map(({ value }) => value)
          )
        )
        const responses = await scheduler.waitFor(Promise.all(answers))
        use(undefined)
        const moved = responses.find(
          ({ cookies, statusCode }, index) =>
            sent[index]?.url === '/move' && statusCode === 200 && cookies.some(({ value }) => value !== '')
        )
        const value = moved?.cookies.find(({ name }) => name === COOKIE)?.value
        const [current] = ids
        if (value !== undefined && current !== undefined && isAlive) {
          current.replacedAt = now
          ids.unshift({ value, replacedAt: Number.POSITIVE_INFINITY })
        }
        if (isAlive) {
          const isEnded = replays.length > 0
          seen.ended += isEnded ? 1 : 0
          seen.movedWhileReplayed += isEnded && value !== undefined ? 1 : 0
          const isOld = ({ replacedAt }: { replacedAt: number }) => isReplayed(replacedAt)
          seen.besideOld += sent.some(({ used }) => used.some(isOld) && !used.every(isOld)) ? 1 : 0
          seen.raced += sent.some(({ used }) =>
            used.every(({ replacedAt }) => replacedAt <= now && !isReplayed(replacedAt))
          )
            ? 1
            : 0
        }
        if (replays.length > 0) isAlive = false
        const found = await send('/look', [ids[0]?.value ?? ''])
        if ((found.json().data.userId === 1) !== isAlive) {
          throw new Error(isAlive ? 'a race ended the session' : 'the session outlived a replay')
        }
        for (const { value } of isAlive ? [] : ids) {
          const dead = await send('/look', [value])
          if (dead.json().data.userId !== undefined) throw new Error('another id leads to the session')
        }
      }
    }
  )
  await t.resolves(fc.assert(property, { numRuns: RUNS, includeErrorInReport: true, endOnFailure: true }))
  // The runs must have covered every case.
  for (const [what, count] of Object.entries(seen)) t.ok(count > 0, what)
})
