// The process that sends the requests with autocannon and checks every answer.
import autocannon, { type Options, type Result } from 'autocannon'
import { quantile } from '../statistics.js'
import type { Kind } from './contents.js'
import { type Browser, type Scenario, scenarioOf } from './scenarios.js'

export type Order =
  /** Signs in this many browsers, each with a session, and one more for the shared session, unless they exist. */
  | { do: 'begin'; subject: string; port: number; kind: Kind; browsers?: number }
  /** Sends this many requests. */
  | {
      do: 'send'
      subject: string
      port: number
      scenario: string
      /** The kind of sessions, instead of the scenario's. */
      kind?: Kind
      connections: number
      amount: number
    }

export interface Sent {
  /** Time from the first request to the last answer. */
  seconds: number
  /** Milliseconds. */
  p50: number
  p99: number
}

export type Report = { done: Sent | 'begun' } | { failed: string }

/** Number of sessions that take turns, by default. */
const BROWSERS = 500
/** Number of browsers that sign in in parallel. */
const AT_ONCE = 25
const browsers = new Map<string, Browser[]>()

process.on('message', async (order: Order) => {
  const report: Report = await carryOut(order).then(
    (done) => ({ done }),
    (error: Error) => ({ failed: error.message })
  )
  process.send?.(report)
})
process.on('disconnect', () => process.exit())

async function carryOut(order: Order): Promise<Sent | 'begun'> {
  if (order.do === 'send') return send(order)
  const key = `${order.subject}/${order.kind}`
  if (!browsers.has(key)) browsers.set(key, await signIn(order))
  return 'begun'
}

async function signIn({ port, kind, browsers = BROWSERS }: Order & { do: 'begin' }): Promise<Browser[]> {
  const begun: Browser[] = []
  while (begun.length <= browsers) {
    const length = Math.min(AT_ONCE, browsers + 1 - begun.length)
    const users = Array.from({ length }, (_, index) => begun.length + index + 1)
    begun.push(...(await Promise.all(users.map((user) => signInOne(port, kind, user)))))
  }
  return begun
}

async function signInOne(port: number, kind: Kind, user: number): Promise<Browser> {
  const response = await fetch(`http://127.0.0.1:${port}/begin?kind=${kind}&user=${user}`, { method: 'POST' })
  await response.text()
  const cookie = pairOf(response.headers.getSetCookie()[0])
  if (!response.ok || cookie === undefined)
    throw new Error(`the answer to the sign-in was ${response.status}`)
  return { cookie, userId: 10_000 + user, count: 0 }
}

async function send(order: Order & { do: 'send' }): Promise<Sent> {
  const { subject, port, connections, amount } = order
  const named = scenarioOf(order.scenario)
  const scenario = order.kind === undefined ? named : { ...named, kind: order.kind }
  const turns = turnsOf(subject, scenario, connections)
  const wrong: string[] = []
  const durations: number[] = []
  let answered = 0
  let startedAt = 0
  let endedAt = 0

  const { errors, timeouts, resets } = await fire(
    {
      url: `http://127.0.0.1:${port}`,
      connections,
      amount,
      // Milliseconds between two checks whether all requests were answered.
      sampleInt: 10,
      requests: [
        {
          method: scenario.method,
          path: scenario.path,
          setupRequest(request, context: Context) {
            if (startedAt === 0) startedAt = performance.now()
            context.browser = turns.next()
            return {
              ...request,
              headers: scenario.kind === undefined ? {} : { cookie: context.browser.cookie }
            }
          },
          onResponse(status, body, context: Context, headers) {
            answered++
            endedAt = performance.now()
            const browser = context.browser as Browser
            const why = whatIsWrong(scenario, browser, status, body, headers)
            if (why !== undefined) wrong.push(why)
            turns.done(browser)
          }
        }
      ]
    },
    durations
  )
  if (wrong.length > 0) throw new Error(`${wrong.length} of ${answered} answers were wrong: ${wrong[0]}`)
  if (answered !== amount || errors + timeouts + resets > 0) {
    throw new Error(`${answered} of ${amount} requests were answered; ${errors} errors, ${timeouts} timeouts`)
  }
  return {
    seconds: (endedAt - startedAt) / 1000,
    p50: quantile(durations, 0.5),
    p99: quantile(durations, 0.99)
  }
}

interface Context {
  browser?: Browser
}

function fire(options: Options, durations: number[]): Promise<Result> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, result: Result) => (error ? reject(error) : resolve(result))
    autocannon(options, done).on('response', (_client, _status, _bytes, duration) => durations.push(duration))
  })
}

const NOBODY: Browser = { cookie: '', userId: 0, count: 0 }

/** Chooses the browser of the next request. */
interface Turns {
  next(): Browser
  done(browser: Browser): void
}

/** A browser sends one request at a time, unless the scenario shares one session. */
function turnsOf(subject: string, { kind, shared }: Scenario, connections: number): Turns {
  if (kind === undefined) return always(NOBODY)
  const all = browsers.get(`${subject}/${kind}`)
  if (all === undefined) throw new Error(`no browser has signed in to ${subject}`)
  if (shared === true) return always(all.at(-1) as Browser)
  const idle = all.slice(0, -1)
  if (connections > idle.length) {
    throw new Error(`${idle.length} sessions are too few for ${connections} connections`)
  }
  return { next: () => idle.shift() as Browser, done: (browser) => idle.push(browser) }
}

function always(browser: Browser): Turns {
  return { next: () => browser, done: () => {} }
}

function whatIsWrong(
  { expected, shared, renews, path }: Scenario,
  browser: Browser,
  status: number,
  body: string,
  headers: unknown
): string | undefined {
  const right = expected(browser)
  const isRight = shared === true ? body.startsWith(right) : body === right
  if (status !== 200 || !isRight) return `${path} answered ${status} ${body} instead of ${right}`
  if (renews !== true) return undefined
  const cookie = pairOf(setCookieOf(headers as Record<string, string | string[]>))
  if (cookie === undefined || cookie === browser.cookie) return `${path} sent no new cookie`
  browser.cookie = cookie
  return undefined
}

function setCookieOf(headers: Record<string, string | string[]>): string | undefined {
  const found = Object.entries(headers).find(([name]) => name.toLowerCase() === 'set-cookie')?.[1]
  return typeof found === 'string' ? found : found?.[0]
}

function pairOf(setCookie: string | undefined): string | undefined {
  return setCookie?.split(';')[0]
}
