// Several processes over HTTP, many browsers of few users, kills and failovers; then what nobody may have seen.
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { now } from '../../../lib/clock.js'
import { within } from '../../../lib/deadline.js'
import { Jar } from '../../../lib/testing/jar.js'
import { exchange } from '../../support/exchange.js'
import { kill, launch, type ServiceProcess } from '../../support/service-process.js'
import { ENDED } from './acknowledged.js'
import { ENGINES, type EngineName, PATIENCE } from './engine.js'
import { type Exchange, type Facts, findViolations, type Held } from './facts.js'
import type { Bug } from './planted.js'
import type { Answer, ServiceOptions } from './process.js'

export interface CheckOptions {
  engine: EngineName
  /** How many replicas a write waits for. All of them by default, which a failover needs to lose nothing. */
  replicas?: number
  seconds: number
  random: () => number
  processes: number
  users: number
  /** Browsers of each user. */
  browsers: number
  /** How many sessions a user may have. */
  limit: number
  bug?: Bug
}

export interface Counts {
  requests: number
  logins: number
  moves: number
  revocations: number
  /** Sessions whose end was acknowledged. */
  ends: number
  lists: number
  kills: number
  failovers: number
  failures: number
}

export interface Outcome {
  counts: Counts
  violations: string[]
}

/** Each as often as it stands here. */
const HABITS = ['me', 'me', 'change', 'change', 'move', 'move', 'list', 'list', 'login', 'end'] as const
const ENDS = ['logout', 'logout', 'end-others', 'end-all'] as const
type Action = Exclude<(typeof HABITS)[number] | (typeof ENDS)[number], 'end'>

const PROGRAM = new URL('process.js', import.meta.url)
/** Seconds: sessions that a browser leaves alone end. */
const IDLE = 20
/** Milliseconds between two kills, at most. */
const KILL_EVERY = 3_000
/** The same for failovers. */
const FAIL_OVER_EVERY = 4_000

export async function check(test: Test, options: CheckOptions): Promise<Outcome> {
  const { browsers, limit, processes, random, seconds, users, bug } = options
  const engine = await ENGINES[options.engine](test)
  const { connection, failOver } = engine
  const replicas = options.replicas ?? engine.replicas
  const given: ServiceOptions = { connection, replicas, limit, idleTimeout: IDLE, bug }
  const start = () =>
    within(now() + PATIENCE, launch(PROGRAM, given), () => new Error('a process did not start'))
  const fleet = await Promise.all(Array.from({ length: processes }, start))
  test.teardown(() => Promise.all(fleet.map(kill)))
  const counts: Counts = {
    ...{ requests: 0, logins: 0, moves: 0, revocations: 0, ends: 0, lists: 0 },
    ...{ kills: 0, failovers: 0, failures: 0 }
  }
  const facts: Facts = { held: [], served: [], revocations: [], ended: [], lists: [] }
  const end = performance.now() + seconds * 1_000
  const isOver = () => performance.now() > end
  const visitors = Array.from(
    { length: users * browsers },
    (_, index) => new Visitor(`user-${index % users}`, fleet, random, facts, counts, failOver !== undefined)
  )
  const pause = (most: number) => sleep(Math.min(random() * most, Math.max(0, end - performance.now())))
  const failingOver = async () => {
    while (failOver !== undefined && !isOver()) {
      await pause(FAIL_OVER_EVERY)
      await failOver(random)
      counts.failovers++
    }
  }
  const killing = async () => {
    while (!isOver()) {
      await pause(KILL_EVERY)
      const [killed] = fleet.splice(Math.floor(random() * processes), 1)
      await kill(killed as ServiceProcess)
      counts.kills++
      fleet.push(await start())
    }
  }
  await Promise.all([
    killing(),
    failingOver(),
    ...visitors.map(async (visitor) => {
      while (!isOver()) {
        await visitor.act()
        await sleep(random() * 10)
      }
    })
  ])
  // Now that nothing else happens, every list must be right.
  for (const action of ['me', 'list', 'me'] as const) {
    await Promise.all(visitors.map((visitor) => visitor.act(action)))
  }
  return { counts, violations: findViolations(facts, limit) }
}

let stays = 0

/** A browser whose user signs in again and again. It sends one request after another. */
class Visitor {
  readonly #agent = new Agent({ keepAlive: true })
  #jar = new Jar()
  #held: Held | undefined
  readonly #user: string
  readonly #fleet: readonly ServiceProcess[]
  readonly #random: () => number
  readonly #facts: Facts
  readonly #counts: Counts
  readonly #hasFailovers: boolean

  constructor(
    user: string,
    fleet: readonly ServiceProcess[],
    random: () => number,
    facts: Facts,
    counts: Counts,
    hasFailovers: boolean
  ) {
    this.#user = user
    this.#fleet = fleet
    this.#random = random
    this.#facts = facts
    this.#counts = counts
    this.#hasFailovers = hasFailovers
  }

  async act(
    action = this.#held === undefined && this.#random() < 0.5 ? 'login' : this.#choose()
  ): Promise<void> {
    const { address } = this.#fleet[Math.floor(this.#random() * this.#fleet.length)] as ServiceProcess
    const path = ['login', 'list', 'end-others', 'end-all'].includes(action)
      ? `/${action}/${this.#user}`
      : `/${action}`
    const before = this.#held
    const sentAt = performance.now()
    this.#counts.requests++
    const cookie = this.#jar.header(path)
    const response = await exchange(this.#agent, 'GET', `${address}${path}`, cookie).catch(() => undefined)
    const answeredAt = performance.now()
    if (response === undefined || response.status !== 200) {
      this.#counts.failures++
      // What it has now is not known. Before it signs in again nothing is claimed.
      if (response === undefined) this.#jar = new Jar()
      this.#held = undefined
      return
    }
    this.#jar.keep(response.cookies)
    const ended = response.header(ENDED)?.split(' ').filter(Boolean) ?? []
    this.#note(action, response.body as unknown as Answer, ended, before, { sentAt, answeredAt })
  }

  #choose(): Action {
    const among = <Item>(items: readonly Item[]) => items[Math.floor(this.#random() * items.length)] as Item
    const action = among(HABITS)
    return action === 'end' ? among(ENDS) : action
  }

  /** @param ended The handles of the sessions that the request has ended. */
  #note(
    action: Action,
    answer: Answer,
    ended: readonly string[],
    before: Held | undefined,
    { sentAt, answeredAt }: Exchange
  ): void {
    const facts = this.#facts
    const counts = this.#counts
    const user = this.#user
    const { id: handle } = answer
    if (action === 'list') {
      counts.lists++
      facts.lists.push({ user, handles: answer.list ?? [], sentAt, answeredAt })
    }
    if (action === 'end-all' || action === 'end-others') {
      counts.revocations++
      const except = action === 'end-others' && answer.user !== undefined ? handle : undefined
      facts.revocations.push({ user, except, sentAt, answeredAt })
    }
    counts.ends += ended.length
    for (const handle of ended) facts.ended.push({ handle, answeredAt })
    // With failovers, an end that was seen counts only once its own request is answered: until then a failover may undo it.
    const isOver = before !== undefined && (action === 'logout' || before.handle !== handle)
    if (isOver && !this.#hasFailovers) facts.ended.push({ handle: before.handle, answeredAt })
    if (action === 'login') {
      counts.logins++
      this.#hold({
        user,
        handle,
        stay: ++stays,
        since: answeredAt,
        until: answeredAt,
        signedInAt: answeredAt
      })
      return
    }
    if (action === 'logout' || answer.user === undefined) {
      this.#held = undefined
      return
    }
    if (before === undefined) return
    facts.served.push({ user, handle, sentAt, answeredAt, stay: before.stay, signedInAt: before.signedInAt })
    if (before.handle === handle) {
      before.until = Math.max(before.until, sentAt)
      return
    }
    counts.moves++
    this.#hold({ ...before, handle, since: answeredAt, until: answeredAt })
  }

  #hold(held: Held): void {
    this.#held = held
    this.#facts.held.push(held)
  }
}
