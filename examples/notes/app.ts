// The application: sign in, keep notes, see your devices, sign out. The notes are stored in the session.
import { readFile } from 'node:fs/promises'
import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify'
import redisSession, { MemoryStore, type RedisSessionOptions, type Store } from 'fastify-ioredis-session'
import { addDeviceRoutes, deviceName } from './devices.js'
import { addEndedRoute, whyEnded } from './ended.js'
import { inspectSession } from './inspect.js'
import { errorPage, notesPage, signInPage } from './pages.js'

/** JSON turns a Date into a string and loses the contents of a Set; superjson and msgpack keep both. */
export interface Note {
  text: string
  writtenAt: Date
  tags: Set<string>
}

declare module 'fastify-ioredis-session' {
  interface SessionData {
    account: { name: string; signedInAt: Date; device: string }
    notes: Note[]
  }
}

interface SignIn {
  name?: string
  keep?: string
}

interface Choices {
  store: Store
  serializer: RedisSessionOptions['serializer'] & string
  secret: string | undefined
}

const PREFIX = 'session:'
/** Where Redis reports ended sessions. */
export const CHANNEL = `${PREFIX}ended`
const IDLE_TIMEOUT = 30 * 60
const ABSOLUTE_TIMEOUT = 90 * 86_400
const MAX_NOTES = 50

export async function createApp({ store, serializer, secret }: Choices): Promise<FastifyInstance> {
  const storeName = store instanceof MemoryStore ? 'this process' : 'Redis'
  const app = Fastify({ logger: { level: 'warn' } })

  // Most applications need no more than this, with `redis: 'redis://…'` instead of the store. This one makes its own
  // store so that its inspector can read the records.
  await app.register(cookie)
  await app.register(redisSession, {
    store,
    serializer,
    prefix: PREFIX,
    ...(secret === undefined ? {} : { secret }),
    cookie: { secure: process.env.NODE_ENV === 'production' ? true : 'auto' }, // 'auto' allows plain http
    idleTimeout: IDLE_TIMEOUT,
    absoluteTimeout: ABSOLUTE_TIMEOUT,
    user: ({ account }) => account?.name, // a list of each user's sessions
    signals: true // tells open pages that their session has ended
  })
  await app.register(formbody)

  // With no-store, the browser's back button shows nothing after signing out. The content security policy allows only
  // scripts and styles of this server, in case a note is ever not escaped.
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'cache-control': 'no-store',
      'content-security-policy':
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff'
    })
  })

  // The forms need no token against request forgery. The session cookie is SameSite=Lax, so browsers do not send it
  // with a POST from another site, and no GET here changes anything. Sibling hosts count as the same site: if other
  // people's pages are on them, add @fastify/csrf-protection.

  app.get('/', async ({ session }, reply) => {
    const account = session.get('account')
    const page =
      account === undefined
        ? signInPage(whyEnded(session))
        : notesPage(account.name, session.get('notes') ?? [], storeName)
    return reply.type('text/html').send(page)
  })

  app.post<{ Body: SignIn }>('/sign-in', async ({ body, headers, session }, reply) => {
    const name = String(body?.name ?? '').trim()
    if (name === '' || name.length > 40) {
      return reply.code(400).type('text/html').send(signInPage('Please give a name of 1 to 40 characters.'))
    }
    // Your application checks a password here. Then it takes a new id, so that an attacker who knows the old one is not
    // signed in too (session fixation), and keeps no data of the browser's previous user.
    await session.regenerate(false)
    session.account = { name, signedInAt: new Date(), device: deviceName(headers['user-agent']) }
    session.notes = [{ text: `Welcome, ${name}!`, writtenAt: new Date(), tags: new Set(['first', 'hello']) }]
    session.permanent = body.keep === 'yes'
    return reply.redirect('/', 303)
  })

  app.post('/sign-out', async ({ session }, reply) => {
    await session.destroy()
    return reply.redirect('/', 303)
  })

  app.post<{ Body: { text?: string; tags?: string } }>('/notes', async ({ body, session }, reply) => {
    const text = String(body?.text ?? '').trim()
    const tags = String(body?.tags ?? '').match(/[^\s,#]+/g) ?? []
    const notes = session.get('notes')
    if (notes !== undefined && notes.length < MAX_NOTES && text !== '' && text.length <= 500) {
      // The commit notices changes inside objects: there is no method to call.
      notes.unshift({ text, writtenAt: new Date(), tags: new Set(tags.slice(0, 8)) })
    }
    // The fragment puts the focus back into the text field, ready for the next note.
    return reply.redirect('/#text', 303)
  })

  app.post<{ Params: { index: string } }>('/notes/:index/delete', async ({ params, session }, reply) => {
    const index = Number(params.index)
    if (Number.isInteger(index) && index >= 0) session.get('notes')?.splice(index, 1)
    return reply.redirect('/#text', 303)
  })

  addDeviceRoutes(app)
  addEndedRoute(app)

  // The page polls every second. With `touch: false` this does not keep the session of an absent user alive.
  app.get('/inspect', { config: { session: { touch: false } } }, ({ session }) =>
    inspectSession(session, store, { prefix: PREFIX, writer: serializer, absoluteTimeout: ABSOLUTE_TIMEOUT })
  )

  for (const [name, type] of [
    ['style.css', 'text/css'],
    ['ended.js', 'text/javascript'],
    ['inspector.js', 'text/javascript'],
    ['icon.svg', 'image/svg+xml']
  ] as const) {
    const content = await readFile(new URL(`public/${name}`, import.meta.url), 'utf8')
    app.get(`/${name}`, { config: { session: false } }, (_request, reply) => reply.type(type).send(content))
  }

  app.setErrorHandler<FastifyError>(async (error, request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) request.log.error({ code: error.code, path: request.routeOptions.url }, error.message)
    reply.code(status)
    if (!request.headers.accept?.includes('text/html')) return { code: error.code, message: error.message }
    return reply.type('text/html').send(errorPage(status, request.method === 'GET'))
  })

  return app
}
