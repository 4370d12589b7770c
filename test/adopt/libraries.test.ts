// Real applications with other libraries, and ours, on one Redis and with one cookie jar: signed in there, adopted here,
// rolled back, forward again, signed out. `npm run adopt:transcript` prints each step.
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import {
  type Adopter,
  expressSession,
  fastifySession,
  flaskSession,
  koaGenericSession,
  koaSession,
  mgcreaSession
} from '../../lib/adopt/index.js'
import { Jar } from '../../lib/testing/jar.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'
import { flaskApp, providePython } from './flask-application.js'
import { koaGenericSessionApp, koaSessionApp } from './koa-applications.js'
import { createNewApp } from './old-application.js'
import {
  connectRedis7,
  connectRedis8,
  connectRedis9,
  dataOf,
  expressApp,
  fastifySessionApp,
  mgcreaApp,
  OLD_SECRET,
  plainStore,
  type Start,
  urlOf
} from './real-applications.js'

const secret = OLD_SECRET
const expressCookie = { cookieName: 'connect.sid', cookiePrefix: 's:' }

interface Library {
  /** The packages of benchmarks/ that wrote cookies and records. */
  packages: readonly string[]
  variant?: string
  start: Start
  adopter: Adopter
  /** Whether the old cookie outlives the browser window. */
  isPermanent?: boolean
}

const connectRedis = [
  ['connect-redis-7', connectRedis7],
  ['connect-redis', connectRedis8],
  ['connect-redis-9', connectRedis9]
] as const

const libraries: Library[] = [
  ...connectRedis.map(([store, storeOf]) => ({
    packages: ['@fastify/session', store],
    start: fastifySessionApp(storeOf),
    adopter: fastifySession({ secret })
  })),
  {
    packages: ['@fastify/session', 'connect-redis'],
    variant: 'with maxAge',
    start: fastifySessionApp(connectRedis8, { cookie: { maxAge: 3_600_000 } }),
    adopter: fastifySession({ secret }),
    isPermanent: true
  },
  {
    packages: ['@fastify/session', 'connect-redis'],
    variant: 'with cookies of Express',
    start: fastifySessionApp(connectRedis8, expressCookie),
    adopter: fastifySession({ secret, ...expressCookie })
  },
  {
    packages: ['@fastify/session'],
    variant: 'with a plain store',
    start: fastifySessionApp(plainStore),
    adopter: fastifySession({ secret, prefix: '' })
  },
  ...connectRedis.map(([store, storeOf]) => ({
    packages: ['express-session', store],
    start: expressApp(storeOf),
    adopter: expressSession({ secret })
  })),
  {
    packages: ['@mgcrea/fastify-session', '@mgcrea/fastify-session-redis-store'],
    start: mgcreaApp,
    adopter: mgcreaSession({ secret })
  },
  {
    packages: ['koa-session', 'koa-redis'],
    start: koaSessionApp,
    adopter: koaSession({ secret }),
    isPermanent: true
  },
  {
    packages: ['koa-generic-session', 'koa-redis'],
    start: koaGenericSessionApp,
    adopter: koaGenericSession({ secret }),
    isPermanent: true
  },
  {
    packages: [],
    variant: 'Flask-Session 0.8.0, msgpack, unsigned',
    start: flaskApp('msgpack', 'unsigned'),
    adopter: flaskSession({ unsigned: true }),
    isPermanent: true
  },
  {
    packages: [],
    variant: 'Flask-Session 0.8.0, JSON, signed',
    start: flaskApp('json', 'signed'),
    adopter: flaskSession({ secret }),
    isPermanent: true
  }
]

/** The libraries with the versions that are installed. */
function nameOf({ packages, variant }: Library): string {
  const names = packages.map((path) => {
    const manifest = JSON.parse(readFileSync(`benchmarks/node_modules/${path}/package.json`, 'utf8'))
    return `${manifest.name} ${manifest.version}`
  })
  return [...names, ...(variant === undefined ? [] : [variant])].join(', ')
}

type Answer = { name?: string | null; permanent?: boolean }

/** A browser that visits several applications of one host. */
class Visitor {
  readonly jar: Jar

  constructor(jar = new Jar()) {
    this.jar = jar
  }

  async get(url: string): Promise<Answer> {
    const cookie = this.jar.header(new URL(url).pathname)
    const answer = await fetch(url, { headers: cookie === undefined ? {} : { cookie } })
    this.jar.keep(answer.headers.getSetCookie())
    return answer.json() as Promise<object>
  }
}

/** Prints a step with the first characters of what is in the jar and in Redis. */
async function write(t: Test, { client }: RedisServer, step: string, answer: Answer, { jar }: Visitor) {
  const cookies = (jar.header('/')?.split('; ') ?? []).map((pair) => pair.replace(/(=.{6}).*/, '$1…'))
  const keys = (await client.keys('*')).sort().map((key) => key.replace(/([^:]{6})[^:]*$/, '$1…'))
  t.comment(`${step}: ${JSON.stringify(answer)} | cookies: ${cookies.join(' ')} | keys: ${keys.join(' ')}`)
}

/** What the other end makes of each cookie of a library, one character of which is changed. */
function* tampered({ cookie: { name, also = [] } }: Adopter, jar: Jar): Generator<Jar> {
  for (const changed of [name, ...also]) {
    const value = jar.get(changed) ?? ''
    const middle = Math.floor(value.length / 2)
    const other = value[middle] === 'A' ? 'B' : 'A'
    // Nothing signs the cookies of Flask-Session unless it is told to: there, one character is missing.
    const isSigned = also.length > 0 || value.includes('.')
    const spoilt = value.slice(0, middle) + (isSigned ? other : '') + value.slice(middle + 1)
    yield jar.copy().keep([`${changed}=${spoilt}`])
  }
}

t.test('adopt: beside the real libraries', async (t) => {
  const redis = await startRedis(t)
  for (const library of libraries) {
    const { adopter, start, isPermanent = false } = library
    const name = nameOf(library)
    await t.test(
      `${name}: signed in there, adopted here, rolled back, forward again, signed out`,
      async (t) => {
        if (adopter.name === 'flask-session') {
          try {
            providePython()
          } catch (error) {
            t.comment(`Skipped: Flask-Session cannot be unpacked: ${(error as Error).message}.`)
            t.end()
            return
          }
        }
        const old = await start(t, redis)
        const app = await createNewApp(t, { redis: redis.url, prefix: 'ours:', adopt: [adopter] })
        await app.listen({ port: 0, host: '127.0.0.1' })
        const ours = urlOf(app.server.address())
        // Their signatures differ in length of padding and in characters, so one id is not enough.
        for (let round = 0; round < 5; round++) {
          await redis.client.flushall()
          const visitor = new Visitor()
          const visit = async (step: string, url: string) => {
            const answer = await visitor.get(url)
            const path = new URL(url).pathname
            const where = url.startsWith(ours) ? 'new' : 'old'
            if (round === 0) await write(t, redis, `${step}: GET ${path} (${where})`, answer, visitor)
            return answer
          }
          await visit('signed in', `${old}/in/Ada`)
          const oldCookies = visitor.jar.copy()
          await redis.commands()
          for (const jar of tampered(adopter, oldCookies)) {
            t.equal((await new Visitor(jar).get(`${ours}/who`)).name, null, 'a cookie that was tampered with')
          }
          t.same(await redis.commands(), {}, 'which costs no command')

          const parallel = [visitor, new Visitor(oldCookies.copy())]
          const [data, other] = await Promise.all(parallel.map((each) => each.get(`${ours}/look`)))
          if (round === 0) await write(t, redis, 'adopted: 2 × GET /look (new)', data ?? {}, visitor)
          t.same(data, dataOf('Ada'), 'adopted, without what the library keeps for itself')
          t.same(other, data)
          const [one, two] = parallel.map(({ jar }) => jar.get('__Host-session'))
          t.match(one, /./)
          t.equal(one, two, 'one session for two parallel requests')
          t.equal((await visitor.get(`${ours}/who`)).permanent, isPermanent)

          t.equal((await visit('rolled back', `${old}/who`)).name, 'Ada')
          await visit('used there', `${old}/in/Ada`)
          t.equal((await visit('forward again', `${ours}/who`)).name, 'Ada')
          await visit('signed out', `${ours}/sign-out`)
          t.equal((await visit('here', `${ours}/who`)).name, null, 'signed out here')
          t.equal((await visit('there', `${old}/who`)).name, null, 'signed out there')
          const thief = new Visitor(oldCookies)
          t.equal((await thief.get(`${ours}/who`)).name, null, 'the old cookies lead nowhere')
          t.equal((await thief.get(`${old}/who`)).name, null)
        }
      }
    )
  }
})

t.test('docs/adoption.md names exactly these versions', async (t) => {
  const [, table = ''] = /\n## Versions\n([^#]*)/.exec(readFileSync('docs/adoption.md', 'utf8')) ?? []
  const named = [...table.matchAll(/^\| ([^|]*\d[^|]*) \|/gm)].map(([, versions]) => versions)
  t.same(named, libraries.map(nameOf))
})
