// Adoption beside the real libraries, on one Redis. `npm run adopt:transcript` prints each step.
import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  type Adopter,
  expressSession,
  fastifySession,
  flaskSession,
  koaGenericSession,
  koaSession,
  mgcreaSession
} from '../../lib/adopt/index.js'
import { startRedis } from '../support/redis-server.js'
import { startFlask } from './flask-application.js'
import { koaGenericSessionApp, koaSessionApp } from './koa-applications.js'
import {
  connectRedis7,
  connectRedis8,
  connectRedis9,
  expressApp,
  fastifySessionApp,
  mgcreaApp,
  OLD_SECRET,
  plainStore,
  type Start
} from './real-applications.js'
import { tellStory } from './story.js'

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

const flask = {
  'Flask-Session 0.8.0, msgpack, unsigned': ['unsigned', flaskSession({ unsigned: true })],
  'Flask-Session 0.8.0, JSON, signed': ['signed', flaskSession({ secret })]
} as const

t.test('adopt: signed in there, adopted here, rolled back, forward again, signed out', async (t) => {
  const redis = await startRedis(t)
  for (const library of libraries) {
    await t.test(nameOf(library), async (t) => {
      await tellStory(t, redis, await library.start(t, redis), library.adopter, library.isPermanent ?? false)
    })
  }
  await t.test('Flask-Session', async (t) => {
    const old = await startFlask(t, redis).catch((error: Error) => error)
    if (old instanceof Error) return t.plan(0, `Flask-Session cannot be started: ${old.message}`)
    for (const [name, [which, adopter]] of Object.entries(flask)) {
      t.match(name, ` ${old.version}, `)
      await t.test(name, async (t) => tellStory(t, redis, old[which], adopter, true))
    }
  })
})

t.test('docs/adoption.md names exactly these versions', async (t) => {
  const [, table = ''] = /\n## Versions\n([^#]*)/.exec(readFileSync('docs/adoption.md', 'utf8')) ?? []
  const named = [...table.matchAll(/^\| ([^|]*\d[^|]*) \|/gm)].map(([, versions]) => versions)
  t.same(named, [...libraries.map(nameOf), ...Object.keys(flask)])
})
