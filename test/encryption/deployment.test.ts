// Rolling deployments under load: encryption is turned on and off, and keys are rotated. Nothing is lost, nobody signed out.
import t, { type Test } from 'tap'
import type { EncryptionKey, EncryptionOptions } from '../../lib/index.js'
import { isSealed } from '../../lib/records/record.js'
import type { TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'
import { key, service } from './stage.js'

const USERS = 4
/** Parallel requests of each user in one step of a deployment. */
const REQUESTS = 12

/** One version of the configuration: the option, or none. */
type Version = EncryptionOptions | undefined

/** Users who keep counting while processes are replaced. */
class Crowd {
  readonly #browsers: Browser[] = []
  #counted = 0

  static async signIn(app: TestApp): Promise<Crowd> {
    const crowd = new Crowd()
    for (let userId = 1; userId <= USERS; userId++) {
      const browser = new Browser(app)
      await browser.request(`/login/${userId}`)
      crowd.#browsers.push(browser)
    }
    return crowd
  }

  /** Each user sends requests to all of these processes at once; some get a new id in between. */
  async use(t: Test, apps: readonly TestApp[]): Promise<void> {
    for (const browser of this.#browsers) {
      const answers = await Promise.all(
        Array.from({ length: REQUESTS }, (_, index) => {
          const tab = new Browser(apps[index % apps.length] as TestApp)
          for (const [name, value] of browser.cookies) tab.cookies.set(name, value)
          return tab.request('/count')
        })
      )
      t.ok(answers.every(({ statusCode }) => statusCode === 200))
    }
    this.#counted += REQUESTS
    for (const [index, browser] of this.#browsers.entries()) {
      for (const app of apps) {
        t.same(
          await browser.visit(app).json('/look'),
          { userId: index + 1, name: 'what nobody may read in the store', count: this.#counted },
          'signed in, and every change is there'
        )
      }
      await browser.request('/renew')
    }
  }
}

/** Deploys these versions one after another: in each step, processes of two versions serve the same users. */
async function deploy(
  t: Test,
  redis: RedisServer,
  versions: readonly [Version, ...Version[]]
): Promise<void> {
  const start = (encryption: Version) =>
    service(t, { redis: redis.url, ...(encryption !== undefined && { encryption }) })
  let before = await start(versions[0])
  const crowd = await Crowd.signIn(before)
  await crowd.use(t, [before])
  for (const version of versions.slice(1)) {
    const after = await start(version)
    await crowd.use(t, [before, after])
    await crowd.use(t, [after])
    before = after
  }
}

/** How many living records are sealed, and how many are not. */
async function sealed(redis: RedisServer): Promise<{ sealed: number; clear: number }> {
  const counts = { sealed: 0, clear: 0 }
  for (const name of await redis.client.keys('session:*')) {
    if ((await redis.client.type(name)) !== 'string') continue
    const record = (await redis.client.getBuffer(name)) as Buffer
    if ((record.readUInt8(3) & 2) !== 0) continue
    counts[isSealed(record) ? 'sealed' : 'clear']++
  }
  return counts
}

const keys = [key(1)]

t.test('turned on: first all processes can open, then they seal, then they insist', async (t) => {
  const redis = await startRedis(t)
  await deploy(t, redis, [undefined, { keys, seal: false }])
  t.same(await sealed(redis), { sealed: 0, clear: USERS })
  await redis.client.flushall()
  await deploy(t, redis, [undefined, { keys, seal: false }, { keys }, { keys, required: true }])
  t.same(await sealed(redis), { sealed: USERS, clear: 0 })
})

t.test(
  'turned off: first all processes accept both, then they stop to seal, then they forget the keys',
  async (t) => {
    const redis = await startRedis(t)
    await deploy(t, redis, [{ keys, required: true }, { keys }, { keys, seal: false }, undefined])
    t.same(await sealed(redis), { sealed: 0, clear: USERS })
  }
)

t.test('keys are rotated: the new one opens, then seals, then the old one goes', async (t) => {
  const redis = await startRedis(t)
  const [old, next] = [key(1), key(2)]
  await deploy(t, redis, [
    { keys: [old], required: true },
    { keys: [old, next], required: true },
    { keys: [next, old], required: true },
    { keys: [next], required: true }
  ])
})

t.test('keys are rotated in a key service, while all processes run', async (t) => {
  const redis = await startRedis(t)
  let current: EncryptionKey[] = [key(1)]
  const start = () =>
    service(t, { redis: redis.url, encryption: { keys: async () => current, required: true } })
  const [first, second] = [await start(), await start()]
  const crowd = await Crowd.signIn(first)
  await crowd.use(t, [first, second])
  // Longer than the pause between two questions to the service.
  await new Promise((resolve) => setTimeout(resolve, 2_100))
  current = [key(2), key(1)]
  const third = await start()
  await crowd.use(t, [third, first, second])
  current = [key(2)]
  await crowd.use(t, [await start(), third, first, second])
})
