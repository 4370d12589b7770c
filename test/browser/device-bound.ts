// A real browser keeps a key on its device, and its session is bound to that. Each step builds on the earlier ones.
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { request as send } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import type { Browser, Page } from 'playwright-core'
import redisSession, { type DeviceBoundOptions } from '../../lib/index.js'
import { freePort, type RedisServer } from '../support/redis-server.js'
import { issue } from '../support/tls.js'
import { openBrowser } from './chromium.js'

type Step = (name: string, work: () => Promise<unknown>) => Promise<void>
type Teardown = { teardown(end: () => unknown): void }

/** In seconds. Proofs of less than two minutes are renewed by every request, in the background. */
const SHORT = 2
/** Seconds for which the server still accepts a proof that has expired. */
const LEEWAY = 5
const PATIENCE = 20_000
const PROOF = '__Host-session-bound'
const BOUND = { userId: 42, deviceBound: 'bound' }

/** One request that the server got. */
interface Seen {
  url: string
  status: number
  /** The names of its cookies. */
  cookies: string[]
  skipped: string
}

export async function driveDeviceBound(t: Teardown, step: Step, redis: RedisServer): Promise<void> {
  const authority = issueCertificate(t)
  // As many proofs as the steps need.
  const browser = await openBindingBrowser(authority.spki, ':RefreshQuota/false')
  await driveWithDefaults(await startService(t, redis, authority, {}), await openPage(browser), step, redis)
  const short = { lifetime: SHORT, registrationTimeout: SHORT, skipTimeout: SHORT }
  await driveWithShortProofs(await startService(t, redis, authority, short), await openPage(browser), step)
  const hasty = await openBindingBrowser(authority.spki)
  const service = await startService(t, redis, authority, { registrationTimeout: SHORT })
  await driveBeyondQuota(service, await openPage(hasty), step)
}

async function driveWithDefaults(
  service: Service,
  page: Page,
  step: Step,
  redis: RedisServer
): Promise<void> {
  const { seen, url } = service
  const signIn = async () => {
    seen.length = 0
    await page.goto(`${url}/login`)
    await until(() => order(seen).includes('register 200'))
    await until(async () => (await cookieNames(page)).includes(PROOF))
  }
  /** As if its time were over. */
  const expire = async () => {
    await page.context().clearCookies({ name: PROOF })
    seen.length = 0
  }

  await step('device bound: after a login the browser registers a key by itself', async () => {
    await signIn()
    assert.deepEqual(await who(page), BOUND)
    assert.equal(order(seen), 'login 200, register 200, who 200')
  })

  await step('device bound: without a proof, a request waits until the browser has a new one', async () => {
    await expire()
    assert.deepEqual(await who(page), BOUND)
    assert.equal(order(seen), 'refresh 200, who 200')
  })

  await step('device bound: three parallel requests wait for the same proof', async () => {
    await expire()
    const three = await page.evaluate("Promise.all([1, 2, 3].map(() => fetch('/who').then((r) => r.json())))")
    assert.deepEqual(three, [BOUND, BOUND, BOUND])
    assert.equal(order(seen), 'refresh 200, who 200, who 200, who 200')
  })

  await step('device bound: a WebSocket waits for a proof, too', async () => {
    await expire()
    await page.evaluate("void new WebSocket('/socket')")
    await until(() => order(seen).includes('socket'))
    assert.equal(order(seen), 'refresh 200, socket 101')
    assert.ok(seen[1]?.cookies.includes(PROOF))
  })

  await step('device bound: a link on another site leads to a session with a proof', async () => {
    await expire()
    await page.goto(service.otherSite)
    await page.getByRole('link').click()
    await page.getByText('"deviceBound":"bound"').waitFor()
    assert.equal(order(seen), 'refresh 200, who 200')
    assert.deepEqual(seen[0]?.cookies, [], 'the browser sends no cookies with this proof')
  })

  await step('device bound: after a restart the server knows challenges and proofs', async () => {
    await service.restart()
    seen.length = 0
    assert.deepEqual(await who(page), BOUND)
    await expire()
    assert.deepEqual(await who(page), BOUND)
    assert.equal(order(seen), 'refresh 200, who 200')
  })

  await step('device bound: while Redis is down the browser keeps its key', async () => {
    await expire()
    await redis.stop()
    assert.equal(await page.evaluate("fetch('/who').then((r) => r.status)"), 503)
    assert.equal(order(seen), 'refresh 503, who 503')
    assert.match(seen[1]?.skipped ?? '', /^server_error;session_identifier=/)
    await redis.restart()
    await signIn()
  })

  await step('device bound: after another login the browser forgets the key of the first', async () => {
    await signIn()
    assert.deepEqual(await who(page), BOUND)
    await expire()
    assert.deepEqual(await who(page), BOUND)
    await expire()
    assert.deepEqual(await who(page), BOUND)
    assert.equal(order(seen), 'refresh 200, who 200')
  })

  await step('device bound: after a logout neither a session nor a proof is left', async () => {
    await page.goto(`${url}/logout`)
    assert.deepEqual(await cookieNames(page), [])
    seen.length = 0
    assert.deepEqual(await who(page), { userId: null, deviceBound: null })
    assert.equal(order(seen), 'refresh 401, who 200')
    seen.length = 0
    assert.deepEqual(await who(page), { userId: null, deviceBound: null })
    assert.equal(order(seen), 'who 200')
    assert.deepEqual(await cookieNames(page), [])
  })
}

async function driveWithShortProofs(service: Service, page: Page, step: Step): Promise<void> {
  const { seen, url } = service

  await step('device bound: a proof that expires soon is renewed in the background', async () => {
    await page.goto(`${url}/login`)
    await until(() => order(seen).includes('register 200'))
    await until(async () => {
      assert.deepEqual(await who(page), BOUND)
      return seen.some((each) => each.url.endsWith('refresh') && each.cookies.includes(PROOF))
    })
  })

  await step(
    'device bound: stolen cookies are refused elsewhere, at the latest when the proof has expired',
    async () => {
      await pause(SHORT * 1000)
      assert.deepEqual(await who(page), BOUND)
      const stolen = await page.context().cookies()
      const jar = stolen.map(({ name, value }) => `${name}=${value}`).join('; ')
      const session = `__Host-session=${stolen.find(({ name }) => name === '__Host-session')?.value}`
      assert.equal(await service.statusOf(jar), 200)
      assert.equal(await service.statusOf(session), 401)
      await pause((SHORT + LEEWAY) * 1000)
      assert.equal(await service.statusOf(jar), 401)
      assert.deepEqual(await who(page), BOUND, 'the browser has not noticed')
    }
  )
}

async function driveBeyondQuota({ seen, url }: Service, page: Page, step: Step): Promise<void> {
  await step('device bound: a browser that may send no more proofs says so, and is served', async () => {
    await page.goto(`${url}/login`)
    await until(() => order(seen).includes('register 200'))
    await pause(SHORT * 1000)
    for (let times = 0; times < 10; times++) {
      await page.context().clearCookies({ name: PROOF })
      await who(page)
    }
    assert.match(seen.at(-1)?.skipped ?? '', /^quota_exceeded;session_identifier=/)
    assert.deepEqual(await who(page), { userId: 42, deviceBound: 'pending' })
  })
}

function who(page: Page): Promise<object> {
  return page.evaluate("fetch('/who').then((r) => r.json())")
}

/** A certificate for localhost, and its key as browsers name it. */
interface Authority {
  cert: Buffer
  key: Buffer
  spki: string
}

function issueCertificate(t: Teardown): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'session-https-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const files = issue(join(folder, 'server'), [
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost'
  ])
  const cert = readFileSync(files.cert)
  const der = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })
  return { cert, key: readFileSync(files.key), spki: createHash('sha256').update(der).digest('base64') }
}

type Service = Awaited<ReturnType<typeof startService>>

async function startService(
  t: Teardown,
  redis: RedisServer,
  { cert, key }: Authority,
  deviceBound: DeviceBoundOptions
) {
  const port = await freePort()
  const url = `https://localhost:${port}`
  const seen: Seen[] = []
  const note = (url: string, status: number, headers: IncomingHttpHeaders) => {
    const cookies = headers.cookie?.split('; ').map((pair) => pair.split('=', 1)[0] ?? '') ?? []
    seen.push({ url, status, cookies, skipped: String(headers['secure-session-skipped']) })
  }
  let app = await listen()
  t.teardown(() => app.close())

  async function listen() {
    const app = Fastify({ https: { cert, key }, forceCloseConnections: true })
    app.addHook('onResponse', async ({ headers, url }, { statusCode }) => note(url, statusCode, headers))
    app.server.on('upgrade', ({ headers, url = '' }, socket) => {
      note(url, 101, headers)
      socket.destroy()
    })
    await app.register(cookie)
    await app.register(redisSession, {
      ...{ redis: redis.url, secret: 'a secret of at least thirty-two characters', deviceBound }
    })
    app.get('/login', async ({ session }, reply) => {
      await session.regenerate(false)
      session.userId = 42
      return reply.type('text/html').send('<!doctype html><title>x</title>')
    })
    app.get('/who', async ({ session }) => ({
      userId: session.userId ?? null,
      deviceBound: session.deviceBound ?? null
    }))
    app.get('/logout', async ({ session }, reply) => {
      await session.destroy()
      return reply.type('text/html').send('<!doctype html><title>x</title>')
    })
    await app.listen({ port, host: 'localhost' })
    return app
  }

  const other = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end(`<!doctype html><a href="${url}/who">there</a>`)
  })
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  t.teardown(() => other.close())
  const address = other.address()

  return {
    url,
    seen,
    otherSite: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    async restart() {
      await app.close()
      app = await listen()
    },
    /** The status of a request that another client sends with these cookies. */
    statusOf: (cookie: string) =>
      new Promise<number>((resolve, reject) => {
        send(`${url}/who`, { ca: cert, headers: { cookie } }, (response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        })
          .on('error', reject)
          .end()
      })
  }
}

/** @param parameters Of the feature. */
function openBindingBrowser(spki: string, parameters = ''): Promise<Browser> {
  return openBrowser([
    // Keys in software, since a machine of tests may have no other place for them.
    `--enable-features=DeviceBoundSessions${parameters},EnableBoundSessionCredentialsSoftwareKeysForManualTesting`,
    // With --ignore-certificate-errors, the browser binds nothing.
    `--ignore-certificate-errors-spki-list=${spki}`
  ])
}

async function openPage(browser: Browser): Promise<Page> {
  const context = await browser.newContext()
  context.setDefaultTimeout(PATIENCE)
  return context.newPage()
}

async function cookieNames(page: Page): Promise<string[]> {
  return (await page.context().cookies()).map(({ name }) => name)
}

function order(seen: readonly Seen[]): string {
  return seen
    .filter(({ url }) => url !== '/favicon.ico')
    .map(({ status, url }) => `${url.split('/').at(-1)} ${status}`)
    .join(', ')
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + PATIENCE; !(await isSo()); ) {
    if (Date.now() > end) throw new Error(`not within ${PATIENCE} ms: ${isSo}`)
    await pause(50)
  }
}
