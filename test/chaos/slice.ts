// One slice of the run: two processes of a service under steady load, while one fault hits their Redis.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { kill, launch } from '../support/service-process.js'
import { Browser, count, Tally, visit } from './browser.js'
import type { Condition, ServiceOptions } from './service.js'

const PROCESSES = 2
const BROWSERS = 16
/** A new browser sends one more request after this many requests of the others. */
const KNOWN_TO_NEW = 10
/** A request that fails within this many milliseconds did not wait for Redis. */
const AT_ONCE = 100
/** Milliseconds of load before and after the fault. */
const BEFORE = 500
const AFTER = 1_000
/** Milliseconds after a fault at which a slice ends even if requests still fail. */
export const PATIENCE = 8_000
/** The service has recovered when no request has failed for this many milliseconds. */
const CALM = 1_000

/** The processes of one service. */
export interface Service {
  addresses: string[]
  condition(): Promise<Condition[]>
  stop(): Promise<void>
}

const PROGRAM = new URL('./service.js', import.meta.url)

export async function startService(options: ServiceOptions): Promise<Service> {
  const processes = await Promise.all(
    Array.from({ length: PROCESSES }, () => launch(PROGRAM, options, ['--expose-gc']))
  )
  const addresses = processes.map(({ address }) => address)
  return {
    addresses,
    condition: () =>
      Promise.all(addresses.map(async (address) => (await fetch(`${address}/condition`)).json() as never)),
    stop: async () => void (await Promise.all(processes.map(kill)))
  }
}

/** The result of one slice. */
export interface Result {
  requests: number
  errors: Map<string, number>
  hangs: number
  longest: number
  /** The longest delay of an event loop in milliseconds, in the service or in this program. */
  stall: number
  /**
   * Milliseconds from the end of the fault to the last failed answer to a request that began after it. Infinite if
   * requests never stopped failing.
   */
  recovery: number
  /** Requests that failed or were anonymous, and those among them that ended at once. */
  failed: number
  failedAtOnce: number
  /** Requests of new browsers, and the duration of the longest one in milliseconds. */
  visits: number
  longestVisit: number
  acknowledged: number
  /** Acknowledged writes that are missing at the end, and those among them without a reported rollback. */
  lost: number
  silent: number
  logouts: number
  unhandled: string[]
  wrong: Map<string, number>
  memory: { rss: [number, number]; heap: [number, number] }
}

export interface Load {
  /** Requests per second of all browsers. */
  rate: number
  random: () => number
}

/** @param strike Runs the fault. It resolves when the fault is over and Redis serves again. */
export async function runSlice(
  service: Service,
  { rate, random }: Load,
  strike: () => Promise<unknown>
): Promise<Result> {
  const before = await service.condition()
  const delay = monitorEventLoopDelay({ resolution: 5 })
  const tally = new Tally()
  const browsers = Array.from(
    { length: BROWSERS },
    (_, index) => new Browser(`browser ${index}`, service.addresses, tally, random)
  )
  await Promise.all(browsers.map((browser) => browser.signIn()))
  delay.enable()
  const running = new Set<Promise<void>>()
  const run = (work: Promise<void>) => {
    const act = work.finally(() => running.delete(act))
    running.add(act)
  }
  let ticks = 0
  const timer = setInterval(() => {
    const browser = browsers[Math.floor(random() * BROWSERS)]
    if (browser !== undefined) run(browser.act())
    if (++ticks % KNOWN_TO_NEW === 0) run(visit(placeOf(ticks / KNOWN_TO_NEW, service), tally))
  }, 1_000 / rate)

  let over: number
  let isWell = true
  try {
    await sleep(BEFORE)
    // A busy machine may need longer for the first answer.
    while (tally.acknowledged === 0) await sleep(50)
    await strike()
    over = performance.now()
    await sleep(AFTER)
    while (performance.now() - (tally.failures.at(-1)?.ended ?? 0) < CALM) {
      isWell = performance.now() - over < PATIENCE
      if (!isWell) break
      await sleep(50)
    }
  } finally {
    clearInterval(timer)
    await Promise.all(running)
  }
  delay.disable()
  // The requests of the comparison below are not part of the load.
  const { requests, longest, logouts } = tally
  const settled = await Promise.all(browsers.map((browser) => browser.settle())).catch((error) => {
    // Without an answer the losses are unknown, and the failure itself breaks a promise.
    count(tally.wrong, error.message)
    return []
  })
  for (const browser of browsers) browser.close()
  const after = await service.condition()
  const known = new Set(before.flatMap(({ unhandled }) => unhandled))
  const late = tally.failures.filter(({ began }) => began >= over)
  return {
    requests,
    errors: tally.errors,
    hangs: tally.hangs,
    longest,
    stall: Math.max(delay.max / 1e6, ...after.map(({ stall }) => stall)),
    recovery: isWell ? late.reduce((last, { ended }) => Math.max(last, ended - over), 0) : Infinity,
    failed: tally.failures.length,
    failedAtOnce: tally.failures.filter(({ began, ended }) => ended - began < AT_ONCE).length,
    visits: tally.visits,
    longestVisit: tally.longestVisit,
    acknowledged: tally.acknowledged,
    lost: sum(settled, ({ lost }) => lost),
    silent: sum(settled, ({ silent }) => silent),
    logouts,
    unhandled: after.flatMap(({ unhandled }) => unhandled).filter((what) => !known.has(what)),
    wrong: tally.wrong,
    memory: {
      rss: [sum(before, ({ rss }) => rss), sum(after, ({ rss }) => rss)],
      heap: [sum(before, ({ heap }) => heap), sum(after, ({ heap }) => heap)]
    }
  }
}

/** The URL of the next visit: all processes and all reading routes take turns. */
function placeOf(turn: number, { addresses }: Service): string {
  const path = turn % 2 === 0 ? '/read' : '/glance'
  return `${addresses[Math.floor(turn / 2) % addresses.length]}${path}`
}

function sum<T>(items: readonly T[], numberOf: (item: T) => number): number {
  return items.reduce((total, item) => total + numberOf(item), 0)
}
