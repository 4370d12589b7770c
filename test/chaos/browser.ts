// A browser: a cookie jar, keep-alive connections to every process, and a record of its acknowledged writes.
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Jar } from '../../lib/testing/jar.js'
import { exchange, HANG, type Response } from '../support/exchange.js'
import type { Sight } from './service.js'

/** Counters of one slice for all browsers. */
export class Tally {
  requests = 0
  /** Duration of the longest request in milliseconds. */
  longest = 0
  errors = new Map<string, number>()
  /** The start and end of each failed request. */
  failures: { began: number; ended: number }[] = []
  hangs = 0
  logouts = 0
  acknowledged = 0
  /** Requests of new browsers, and the duration of the longest one in milliseconds. */
  visits = 0
  longestVisit = 0
  /** Events that must never happen, with their numbers. */
  wrong = new Map<string, number>()
}

export function count(map: Map<string, number>, what: string): void {
  map.set(what, (map.get(what) ?? 0) + 1)
}

/** The limit of real browsers for one host. */
const MOST_AT_ONCE = 6

export class Browser {
  readonly #name: string
  readonly #addresses: string[]
  readonly #tally: Tally
  readonly #random: () => number
  readonly #agent = new Agent({ keepAlive: true })
  readonly #jar = new Jar()
  #underWay = 0
  #signedIn = false
  #isChangingId = false
  #writes = 0
  /** Writes that were acknowledged; those among them that the service reported as lost; and refused writes. */
  readonly #acknowledged = new Set<number>()
  readonly #noticed = new Set<number>()
  readonly #refused = new Set<number>()

  constructor(name: string, addresses: string[], tally: Tally, random: () => number) {
    this.#name = name
    this.#addresses = addresses
    this.#tally = tally
    this.#random = random
  }

  /** Sends a random request that a user would make, unless too many are in flight. */
  async act(): Promise<void> {
    if (this.#underWay >= MOST_AT_ONCE || this.#isChangingId) return
    if (!this.#signedIn) {
      // Answers to requests in flight still belong to the session that ended.
      if (this.#underWay === 0) await this.#alone(() => this.signIn())
      return
    }
    const kind = this.#random()
    if (kind < 0.45) await this.#write()
    else if (kind < 0.55) await this.#look('/glance')
    else if (kind < 0.6 && this.#underWay === 0) await this.#alone(() => this.#rotate())
    else await this.#look('/read')
  }

  async signIn(): Promise<void> {
    const answer = await this.#send('POST', `/sign-in?user=${this.#name}`)
    this.#signedIn = answer?.status === 200
  }

  /** Compares the acknowledged writes with the session's content. */
  async settle(): Promise<{ lost: number; silent: number }> {
    const there = new Set<number>()
    for (const address of this.#addresses) {
      for (const write of (await this.#lookAgain(address)).writes) there.add(write)
    }
    for (const write of this.#refused) {
      if (there.has(write)) count(this.#tally.wrong, 'a write is stored although it was refused')
    }
    const lost = [...this.#acknowledged].filter((write) => !there.has(write))
    return { lost: lost.length, silent: lost.filter((write) => !this.#noticed.has(write)).length }
  }

  async #lookAgain(address: string): Promise<Sight> {
    const until = performance.now() + HANG
    while (performance.now() < until) {
      const sight = await this.#look('/read', address)
      if (sight !== undefined) return sight
      await sleep(50)
    }
    throw new Error('the service does not answer after the fault')
  }

  close(): void {
    this.#agent.destroy()
  }

  async #alone(act: () => Promise<void>): Promise<void> {
    this.#isChangingId = true
    await act().finally(() => {
      this.#isChangingId = false
    })
  }

  async #write(): Promise<void> {
    const write = ++this.#writes
    const answer = await this.#send('POST', `/write?n=${write}`)
    if (answer === undefined) return
    if (answer.status === 200) {
      this.#see(answer)
      if (detachedOf(answer) !== undefined) return
      this.#acknowledged.add(write)
      this.#tally.acknowledged++
    } else if (answer.status === 401) {
      this.#see(answer)
    } else if (codeOf(answer) === 'FST_SESSION_UNAVAILABLE') {
      this.#refused.add(write)
    }
  }

  async #rotate(): Promise<void> {
    const answer = await this.#send('POST', '/rotate')
    if (answer?.status === 200 || answer?.status === 401) this.#see(answer)
  }

  async #look(path: string, address?: string): Promise<Sight | undefined> {
    const answer = await this.#send('GET', path, address)
    return answer?.status === 200 ? this.#see(answer) : undefined
  }

  #see(answer: Response): Sight {
    const sight = answer.body as unknown as Sight
    const { user, detached, rolledBack, writes } = sight
    if (rolledBack) {
      const there = new Set(writes)
      for (const write of this.#acknowledged) if (!there.has(write)) this.#noticed.add(write)
    }
    if (user !== undefined && user !== this.#name) count(this.#tally.wrong, "another browser's session")
    if (user === undefined && detached === undefined && this.#signedIn) {
      this.#signedIn = false
      this.#tally.logouts++
    }
    return sight
  }

  // Resolves to `undefined` if the request hangs or its connection breaks.
  async #send(method: string, path: string, address = this.#anyAddress()): Promise<Response | undefined> {
    const tally = this.#tally
    tally.requests++
    this.#underWay++
    const began = performance.now()
    const answer = await exchange(this.#agent, method, address + path, this.#jar.header('/')).catch(
      (error) => {
        count(tally.errors, error.code ?? error.message)
        if (error.code === 'hang') tally.hangs++
        return undefined
      }
    )
    const ended = performance.now()
    this.#underWay--
    tally.longest = Math.max(tally.longest, ended - began)
    if (answer !== undefined) this.#keepCookies(answer)
    const isError = answer === undefined || (answer.status !== 200 && answer.status !== 401)
    const isAnonymous = !isError && detachedOf(answer) === 'unavailable'
    if (isError || isAnonymous) tally.failures.push({ began, ended })
    if (isError && answer !== undefined) count(tally.errors, codeOf(answer))
    if (isAnonymous) count(tally.errors, 'anonymous')
    return answer
  }

  #anyAddress(): string {
    return this.#addresses[Math.floor(this.#random() * this.#addresses.length)] ?? ''
  }

  #keepCookies({ status, cookies }: Response): void {
    const isCleared = cookies.some((line) => /max-age=0/i.test(line))
    if (status >= 500 && isCleared) count(this.#tally.wrong, 'a failed request clears the cookie')
    this.#jar.keep(cookies)
  }
}

/** A new browser with its own connection reads a page. */
export async function visit(url: string, tally: Tally): Promise<void> {
  tally.visits++
  const began = performance.now()
  try {
    const { status, body, cookies } = await exchange(new Agent(), 'GET', url, undefined)
    if (status !== 200 || body.detached !== undefined) count(tally.wrong, 'a first visit fails')
    if (body.user !== undefined) count(tally.wrong, "a first visit sees another browser's session")
    if (cookies.length > 0) count(tally.wrong, 'a first visit gets a cookie')
  } catch {
    count(tally.wrong, 'a first visit has no answer')
  }
  tally.longestVisit = Math.max(tally.longestVisit, performance.now() - began)
}

/** Why the commit did not save the session, if it did not. */
function detachedOf({ header }: Response): string | undefined {
  return header('session-detached')
}

function codeOf({ status, body }: Response): string {
  return typeof body.code === 'string' ? body.code : String(status)
}
