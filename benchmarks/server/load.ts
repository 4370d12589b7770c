// The process that sends the requests with autocannon and checks every answer.
import { quantile } from '../statistics.js'
import { contentOf, type Kind, quantityOf } from './contents.js'
import { type Connection, fire } from './lean-autocannon.js'
import type { Order, Report, Sent } from './orders.js'
import { type Browser, type Scenario, scenarioOf } from './scenarios.js'

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
  return { cookie, userId: 10_000 + user, count: 0, quantity: quantityOf(contentOf(kind, user)) }
}

async function send(order: Order & { do: 'send' }): Promise<Sent> {
  const { subject, port, connections, amount = UNBOUNDED, milliseconds = UNBOUNDED } = order
  const named = scenarioOf(order.scenario)
  const scenario = order.kind === undefined ? named : { ...named, kind: order.kind }
  const turns = turnsOf(subject, scenario, connections)
  const start = `${scenario.method} ${scenario.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`
  const empty = scenario.method === 'POST' ? 'Content-Length: 0\r\n\r\n' : '\r\n'
  const wrong: string[] = []
  const durations: number[] = []
  const startedAt = performance.now()
  let endedAt = startedAt

  const connect = (): Connection => {
    let browser = NOBODY
    let sentAt = 0
    return {
      request() {
        browser = turns.next()
        sentAt = performance.now()
        const cookie = scenario.kind === undefined ? '' : `Cookie: ${browser.cookie}\r\n`
        return start + cookie + empty
      },
      answer(status, head, body) {
        endedAt = performance.now()
        durations.push(endedAt - sentAt)
        const why = whatIsWrong(scenario, browser, status, body, head)
        if (why !== undefined) wrong.push(why)
        turns.done(browser)
      },
      isOver: () => endedAt - startedAt > milliseconds
    }
  }
  const { broken, timeouts } = await fire(port, connections, amount, connect)
  const requests = durations.length
  if (wrong.length > 0) throw new Error(`${wrong.length} of ${requests} answers were wrong: ${wrong[0]}`)
  if (broken + timeouts > 0 || (order.amount !== undefined && requests !== amount)) {
    throw new Error(
      `${requests} of ${amount} requests were answered; ${broken} connections broke, ${timeouts} timeouts`
    )
  }
  return {
    requests,
    seconds: (endedAt - startedAt) / 1000,
    p50: quantile(durations, 0.5),
    p99: quantile(durations, 0.99)
  }
}

/** More requests, or milliseconds, than any order. */
const UNBOUNDED = 1e12

const NOBODY: Browser = { cookie: '', userId: 0, count: 0, quantity: 0 }

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
  head: string
): string | undefined {
  const right = expected(browser)
  const isRight = shared === true ? body.startsWith(right) : body === right
  if (status !== 200 || !isRight) return `${path} answered ${status} ${body} instead of ${right}`
  if (renews !== true) return undefined
  const cookie = SET_COOKIE.exec(head)?.[1]
  if (cookie === undefined || cookie === browser.cookie) return `${path} sent no new cookie`
  browser.cookie = cookie
  return undefined
}

/** Name and value of the first cookie in the head of an answer. */
const SET_COOKIE = /\r\nset-cookie: ([^;\r]+)/i

function pairOf(setCookie: string | undefined): string | undefined {
  return setCookie?.split(';')[0]
}
