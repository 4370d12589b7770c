// A browser with several tabs. They share its cookie jar and its session, and act independently.
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Jar } from '../../lib/testing/jar.js'
import { exchange, type Response } from '../support/exchange.js'
import type { Fleet } from './fleet.js'
import type { Action, Answer, Attempt, Change, Content, Entry, Life } from './history.js'
import { saidAtEnd } from './history.js'
import type { How } from './service.js'

/** Actions and their relative frequencies. */
const HABITS: [Action, number][] = [
  ['append', 50],
  ['append, save, append', 12],
  ['append, reload, append', 6],
  ['append and fail', 4],
  ['append, keep me signed in', 4],
  ['append, new id', 8],
  ['read', 12],
  ['log out', 1.5],
  ['sign in', 5]
]
const HOW: Partial<Record<Action, How>> = {
  append: 'append',
  'append, save, append': 'save',
  'append, reload, append': 'reload',
  'append and fail': 'fail',
  'append, keep me signed in': 'permanent',
  'append, new id': 'regenerate'
}
const COOKIE = 'session'
/** Number of attempts for each request after the faults. */
const TRIES = 40

export interface Habits {
  random: () => number
  tabs: number
  /** The longest time in milliseconds between two requests of a tab, and between reading and changing. */
  pause: number
  /** Actions that browsers never choose. */
  without: readonly Action[]
  /** An action that browsers choose ten times as often. */
  often?: Action | undefined
}

/** One sign-in and all requests until the session ends. */
interface Stay {
  name: string
  jar: Jar
  entries: Entry[]
  /** For each id that the browser has held: its cookie, and the number of the request that set it. */
  ids: Map<string, { cookie: string; number: number }>
  underWay: Set<Promise<unknown>>
  jarAtLogout?: Jar
}

export class Browser {
  readonly #name: string
  readonly #fleet: Fleet
  readonly #habits: Habits
  readonly #clock: () => number
  readonly #agent = new Agent({ keepAlive: true })
  readonly #stays: Stay[] = []
  /** Sign-ins that failed. */
  readonly attempts: Attempt[] = []
  #isOpen = true
  #numbers = 0
  #signIns = 0
  /** Tabs wait for this promise between the end of one session and the start of the next. */
  #begun: Promise<Stay | undefined>

  constructor(name: string, fleet: Fleet, habits: Habits, clock: () => number) {
    this.#name = name
    this.#fleet = fleet
    this.#habits = habits
    this.#clock = clock
    this.#begun = this.#signIn()
  }

  /** Resolves when all tabs are closed and have received all their answers. */
  async browse(): Promise<void> {
    const tabs = Array.from({ length: this.#habits.tabs }, (_, index) => this.#use(`tab ${index + 1}`))
    await Promise.all(tabs)
    await Promise.all(this.#stays.flatMap(({ underWay }) => [...underWay]))
  }

  close(): void {
    this.#isOpen = false
  }

  /** Ends the browser after the faults, and returns the histories of its sessions with their content. */
  async settle(): Promise<Life[]> {
    const lives = await Promise.all(this.#stays.map((stay) => this.#settle(stay)))
    this.#agent.destroy()
    return lives
  }

  async #use(tab: string): Promise<void> {
    while (this.#isOpen) {
      const stay = await this.#begun
      if (stay === undefined) return
      await this.#act(stay, tab)
      await sleep(this.#habits.random() * this.#habits.pause)
    }
  }

  async #act(stay: Stay, tab: string): Promise<void> {
    const action = this.#choose()
    if (action === 'read') await this.#send(stay, tab, action, [])
    else if (action === 'log out') await this.#logOut(stay, tab)
    // This session is separate, and no tab uses it.
    else if (action === 'sign in') await this.#tryToSignIn('private window')
    else await this.#change(stay, tab, action)
  }

  #choose(): Action {
    const { without, often } = this.#habits
    const habits = HABITS.filter(([action]) => !without.includes(action)).map(
      ([action, weight]) => [action, action === often ? weight * 10 : weight] as const
    )
    let left = this.#habits.random() * habits.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [action, weight] of habits) {
      left -= weight
      if (left < 0) return action
    }
    return 'append'
  }

  #change(stay: Stay, tab: string, action: Action): Promise<Entry> {
    const number = this.#numbers + 1
    const first = `${stay.name}-${number}`
    const changes: Change[] =
      action === 'append, save, append' || action === 'append, reload, append'
        ? [
            { value: first, when: action === 'append, save, append' ? 'before save' : 'before reload' },
            { value: `${first}b`, when: 'last' }
          ]
        : [{ value: first, when: 'last' }]
    return this.#send(stay, tab, action, changes)
  }

  // A user whose logout is not acknowledged usually tries again.
  async #logOut(stay: Stay, tab: string): Promise<void> {
    for (let tries = 0; tries < 4; tries++) {
      const jar = stay.jar.copy()
      const entry = await this.#send(stay, tab, 'log out', [])
      if (entry.id !== undefined && saidAtEnd(entry) === 'acknowledged') {
        // Another tab may have signed out at the same time.
        if (stay.jarAtLogout === undefined) {
          stay.jarAtLogout = jar
          this.#begun = Promise.all(stay.underWay).then(() => this.#signIn())
        }
        return
      }
      if (this.#habits.random() < 0.3) return
    }
  }

  async #signIn(): Promise<Stay | undefined> {
    while (this.#isOpen) {
      const stay = await this.#tryToSignIn('tab 1')
      if (stay !== undefined) return stay
      await sleep(20)
    }
    return undefined
  }

  /** Signs in with an empty cookie jar. */
  async #tryToSignIn(tab: string): Promise<Stay | undefined> {
    // All names have the same length, so that none is the beginning of another.
    const name = `${this.#name}.${String(++this.#signIns).padStart(3, '0')}`
    const stay: Stay = { name, jar: new Jar(), entries: [], ids: new Map(), underWay: new Set() }
    const entry = await this.#send(stay, tab, 'sign in', [])
    if (saidAtEnd(entry) === 'acknowledged') {
      this.#stays.push(stay)
      return stay
    }
    this.attempts.push({ name, entry })
    return undefined
  }

  async #settle(stay: Stay): Promise<Life> {
    const { name, entries, ids } = stay
    if (stay.jarAtLogout === undefined) {
      // The next successful request repairs what an unanswered one left behind.
      for (let tries = 0; tries < TRIES; tries++) {
        const entry = await this.#change(stay, 'at the end', 'append')
        const status = entry.answer?.status ?? 503
        if (status === 200 || status === 401) break
        await sleep(50)
      }
    }
    const content = await this.#look(stay.jar)
    const atLogout = stay.jarAtLogout && (await this.#look(stay.jarAtLogout))
    const now = idIn(stay.jar)
    const old = [...ids].filter(([id]) => id !== now)
    const others = await Promise.all(
      old.map(async ([, { cookie, number }]) => {
        const jar = new Jar()
        jar.keep([`${COOKIE}=${cookie}`])
        return { cookie: `the id that request #${number} brought`, content: await this.#look(jar) }
      })
    )
    return { name, entries, end: { browser: content, others, ...(atLogout && { atLogout }) } }
  }

  /** Reads the session of this jar. These requests are not part of the history. */
  async #look(jar: Jar): Promise<Content> {
    let failure: unknown
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        const { status, body, cookies } = await this.#request('GET', '/read', jar.header('/read'))
        if (status === 200 || status === 401) {
          jar.keep(cookies)
          return body as unknown as Content
        }
        failure = body.code
      } catch (error) {
        failure = error
      }
      await sleep(50)
    }
    throw new Error('no session can be read although the faults are over', { cause: failure })
  }

  #send(stay: Stay, tab: string, action: Action, changes: Change[]): Promise<Entry> {
    const sending = this.#sendNow(stay, tab, action, changes)
    stay.underWay.add(sending)
    return sending.finally(() => stay.underWay.delete(sending))
  }

  async #sendNow(stay: Stay, tab: string, action: Action, changes: Change[]): Promise<Entry> {
    const number = ++this.#numbers
    const sent = stay.jar.header('/')
    const process = this.#anyProcess()
    const entry: Entry = {
      number,
      tab: `${this.#name} ${tab}`,
      action,
      process,
      changes,
      id: stay.ids.get(idIn(stay.jar) ?? '')?.number,
      sentAt: this.#clock(),
      endedAt: Number.POSITIVE_INFINITY
    }
    stay.entries.push(entry)
    try {
      const [method, path] = this.#pathOf(stay.name, action, changes)
      const response = await this.#request(method, path, sent, process)
      entry.endedAt = this.#clock()
      const [before, after] = [idIn(stay.jar), idIn(stay.jar.keep(response.cookies))]
      const cookie = stay.jar.get(COOKIE)
      if (after !== undefined && cookie !== undefined && !stay.ids.has(after))
        stay.ids.set(after, { cookie, number })
      if (before !== after) entry.newId = after === undefined ? 'none' : stay.ids.get(after)?.number
      entry.answer = answerOf(response)
    } catch (error) {
      entry.endedAt = this.#clock()
      const { code } = error as NodeJS.ErrnoException
      // An error without a code does not come from the connection: it is a bug in this program.
      if (code === undefined) throw error
      entry.failure = code
    }
    return entry
  }

  #pathOf(life: string, action: Action, changes: Change[]): [method: string, path: string] {
    const how = HOW[action]
    if (action === 'sign in') return ['POST', `/sign-in?life=${life}`]
    if (action === 'log out') return ['POST', '/logout']
    if (how === undefined) return ['GET', '/read']
    const values = changes.map(({ value }) => value).join(',')
    const wait = Math.floor(this.#habits.random() * this.#habits.pause)
    return ['POST', `/change?how=${how}&values=${values}&wait=${wait}`]
  }

  #anyProcess(): number {
    const running = this.#fleet.running()
    return running[Math.floor(this.#habits.random() * running.length)] ?? 0
  }

  #request(
    method: string,
    path: string,
    cookie: string | undefined,
    process = this.#anyProcess()
  ): Promise<Response> {
    const address = this.#fleet.addressOf(process)
    if (address === undefined) {
      return Promise.reject(Object.assign(new Error('no process is running'), { code: 'ECONNREFUSED' }))
    }
    return exchange(this.#agent, method, address + path, cookie)
  }
}

/** The id in the cookie, which ends at the first dot. The signature and the commit number follow. */
function idIn(jar: Jar): string | undefined {
  return jar.get(COOKIE)?.split('.')[0]
}

function answerOf({ status, body, header }: Response): Answer {
  const detached = header('session-detached')
  const saved = header('session-saved')
  const took = header('session-took')
  return {
    status,
    ...(typeof body.code === 'string' && { code: body.code }),
    ...(typeof body.life === 'string' && { life: body.life }),
    ...(detached !== undefined && { detached }),
    ...(saved !== undefined && { saved }),
    ...(took !== undefined && { took: Number(took) })
  }
}
