// Real applications with other libraries, and ours, on one Redis and with one cookie jar: signed in there, adopted here,
// rolled back, forward again, signed out.
import t from 'tap'
import { type Adopter, expressSession, fastifySession, mgcreaSession } from '../../lib/adopt/index.js'
import { Jar } from '../../lib/testing/jar.js'
import { startRedis } from '../support/redis-server.js'
import { createNewApp } from './old-application.js'
import {
  expressApp,
  fastifySessionApp,
  mgcreaApp,
  OLD_SECRET,
  urlOf,
  withConnectRedis,
  withPlainStore
} from './real-applications.js'

const secret = OLD_SECRET
const expressCookie = { cookieName: 'connect.sid', cookiePrefix: 's:' }
const hour = { cookie: { secure: false, maxAge: 3_600_000 } }

const libraries: [name: string, start: ReturnType<typeof fastifySessionApp>, adopter: Adopter][] = [
  ['@fastify/session, connect-redis', fastifySessionApp(withConnectRedis), fastifySession({ secret })],
  [
    '@fastify/session with maxAge',
    fastifySessionApp((client) => ({ ...withConnectRedis(client), ...hour })),
    fastifySession({ secret })
  ],
  [
    '@fastify/session, a plain store',
    fastifySessionApp(withPlainStore),
    fastifySession({ secret, prefix: '' })
  ],
  [
    '@fastify/session with cookies of Express',
    fastifySessionApp((client) => ({ ...withConnectRedis(client), ...expressCookie })),
    fastifySession({ secret, ...expressCookie })
  ],
  ['@mgcrea/fastify-session', mgcreaApp, mgcreaSession({ secret })],
  ['express-session, connect-redis', expressApp, expressSession({ secret })]
]

/** A browser that visits several applications of one host. */
class Visitor {
  readonly jar = new Jar()

  async get(url: string): Promise<{ name?: string | null; permanent?: boolean }> {
    const cookie = this.jar.header(new URL(url).pathname)
    const answer = await fetch(url, { headers: cookie === undefined ? {} : { cookie } })
    this.jar.keep(answer.headers.getSetCookie())
    return answer.json() as Promise<object>
  }
}

for (const [name, start, adopter] of libraries) {
  t.test(`${name}: signed in there, adopted here, rolled back, forward again, signed out`, async (t) => {
    const redis = await startRedis(t)
    const old = await start(t, redis.client)
    const app = await createNewApp(t, { redis: redis.url, adopt: [adopter] })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const ours = urlOf(app.server.address())
    // Their signatures differ in length of padding and in characters, so one id is not enough.
    for (let round = 0; round < 5; round++) {
      const visitor = new Visitor()
      const who = async (url: string) => (await visitor.get(`${url}/who`)).name
      await visitor.get(`${old}/in/Ada`)
      const oldCookies = visitor.jar.copy()
      t.equal(await who(ours), 'Ada', 'adopted')
      t.equal((await visitor.get(`${ours}/who`)).permanent, name.includes('maxAge'))
      t.equal(await who(old), 'Ada', 'rolled back')
      await visitor.get(`${old}/in/Ada`)
      t.equal(await who(ours), 'Ada', 'forward again')
      await visitor.get(`${ours}/sign-out`)
      t.equal(await who(ours), null, 'signed out here')
      t.equal(await who(old), null, 'signed out there')
      const thief = new Visitor()
      thief.jar.keep([`${adopter.cookie.name}=${oldCookies.get(adopter.cookie.name)}`])
      t.equal((await thief.get(`${ours}/who`)).name, null, 'the old cookie leads nowhere')
      t.equal((await thief.get(`${old}/who`)).name, null)
    }
  })
}
