// Versions 1, 2 and 3 of an application, deployed and rolled back while people use it. Two processes serve at each time.
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Dictionary, mergeRules, type SchemaOptions } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { startRedis } from '../support/redis-server.js'
import { standard } from './standard.js'

const PEOPLE = 2
const TABS = 3
/** The versions of both processes, from one stage to the next. 0 is version 1 before it had the option. */
const STAGES = [
  [0, 0],
  [0, 1],
  [1, 2],
  [2, 2],
  [2, 3],
  [3, 3],
  [3, 2],
  [2, 2],
  [2, 1],
  [1, 1],
  [1, 0],
  [0, 3],
  [3, 3]
] as const
const REQUESTS = 2

/** How each version names a person. A version that adds a form keeps the previous one until the next. */
const upgrade: NonNullable<SchemaOptions['upgrade']> = {
  1: (data) => ({ ...data, names: [data.name] }),
  2: ({ names, ...data }) => ({ ...data, person: { names } })
}

const validate = standard((data) => {
  const { count, name } = data
  const path = typeof name !== 'string' ? ['name'] : typeof count !== 'number' ? ['count'] : undefined
  return path === undefined ? { value: data } : { issues: [{ message: 'wrong', path }] }
})

async function deploy(t: Test, url: string, version: number): Promise<TestApp> {
  const steps = Object.fromEntries(Object.entries(upgrade).filter(([from]) => Number(from) < version))
  const app = await createApp(t, {
    redis: url,
    merge: { count: mergeRules.sum },
    ...(version > 0 && { schema: { version, upgrade: steps, validate } })
  })
  app.get<{ Params: { name: string } }>('/sign-in/:name', async ({ params, session }) => {
    await session.regenerate(false)
    const all = session as unknown as Dictionary
    Object.assign(all, { name: params.name, count: 0 })
    if (version === 2) all.names = [params.name]
    if (version === 3) all.person = { names: [params.name] }
    return {}
  })
  app.get<{ Params: { key: string } }>('/work/:key', async ({ params, session }) => {
    session.count = (session.count ?? 0) + 1
    session.set(params.key as 'anything', version)
    // The other requests run meanwhile.
    await setImmediate()
    return { name: session.name ?? null }
  })
  app.get('/', async ({ session }) => session.data())
  return app
}

t.test(
  'deployment: from version to version and back, nobody is signed out and no change is lost',
  async (t) => {
    const redis = await startRedis(t)
    const people: { name: string; cookies: Map<string, string>; keys: string[] }[] = []
    let conflicts = 0
    for (const [stage, versions] of STAGES.entries()) {
      const apps = await Promise.all(versions.map((version) => deploy(t, redis.url, version)))
      const appOf = (n: number) => apps[n % apps.length] as TestApp
      for (let n = 0; n < PEOPLE; n++) {
        const name = `person ${people.length}`
        const browser = new Browser(appOf(n))
        await browser.request(`/sign-in/${name}`)
        people.push({ name, cookies: browser.cookies, keys: [] })
      }
      await Promise.all(
        people.flatMap((person, n) =>
          Array.from({ length: TABS }, async (_, tab) => {
            for (let request = 0; request < REQUESTS; request++) {
              const browser = new Browser(appOf(n + tab + request))
              for (const [cookie, value] of person.cookies) browser.cookies.set(cookie, value)
              const key = `k${stage}-${tab}-${request}`
              const response = await browser.request(`/work/${key}`)
              if (response.statusCode === 200) {
                person.keys.push(key)
                if (response.json().name !== person.name) t.fail(`${person.name} was signed out`)
              } else if (response.json().code === 'FST_SESSION_CONFLICT') conflicts++
              else t.fail(`${person.name}: ${response.body}`)
            }
          })
        )
      )
      for (const [n, person] of people.entries()) {
        const browser = new Browser(appOf(n))
        for (const [cookie, value] of person.cookies) browser.cookies.set(cookie, value)
        const data = await browser.json<Dictionary>('/')
        if (data.count !== person.keys.length || person.keys.some((key) => !(key in data)))
          t.fail(`${person.name} has lost changes: ${data.count} of ${person.keys.length}`)
      }
      await Promise.all(apps.map((app) => app.close()))
    }
    t.equal(conflicts, 0, 'no key was changed by two versions at once')
    t.equal(people.length, PEOPLE * STAGES.length)
    const last = await deploy(t, redis.url, 3)
    for (const { cookies, name } of people) {
      const browser = new Browser(last)
      for (const [cookie, value] of cookies) browser.cookies.set(cookie, value)
      t.match(await browser.json('/'), { name, person: { names: [name] } })
    }
  }
)
