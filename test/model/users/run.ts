// Runs one plan with real Fastify instances and a real store, and checks what the browsers and lists have shown.
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { isParentOf } from '../../../lib/records/lineage.js'
import { type Header, openRecord } from '../../../lib/records/record.js'
import { type Facts, findViolations, type Held } from '../../users/checker/facts.js'
import { keyOf } from '../internals.js'
import type { Order } from '../order.js'
import type { Lane, Plan, Turn } from './plan.js'
import { USERS } from './plan.js'
import { type Backend, caller, type Process, type Stage } from './process.js'

const COOKIE = '__Host-session'
const SIGNING_IN = ['login', 'confirm', 'become']
/** Milliseconds: longer than a login waits before it looks again whether there is room. */
const LONG_PAUSE = 4

/** How often each case was seen. */
export type Seen = Record<
  | 'logins'
  | 'moves'
  | 'lists'
  | 'revocations'
  | 'ends'
  | 'crashes'
  | 'faults'
  | 'refused'
  | 'conflicts'
  | 'overtaken',
  number
>

/** A browser, or a tab of one. */
interface Client {
  jar: Map<string, string>
  held: Held | undefined
}

export class Run implements Stage {
  running = 0
  readonly violations: string[] = []
  readonly seen: Seen = {
    ...{ logins: 0, moves: 0, lists: 0, revocations: 0, ends: 0, crashes: 0, faults: 0 },
    ...{ refused: 0, conflicts: 0, overtaken: 0 }
  }
  readonly #facts: Facts = { held: [], served: [], revocations: [], ended: [], lists: [] }
  readonly #ends: { stay: number; answeredAt: number }[] = []
  readonly #clients: Client[]
  readonly #active = new Set<{ name: string; waiting: number }>()
  #now = 0
  #stays = 0
  #isOpen = true

  /**
   * @param processes Those that serve the browsers.
   * @param spare Those that take the place of killed ones.
   */
  constructor(
    readonly plan: Plan,
    private readonly order: Order,
    readonly backend: Backend,
    private readonly processes: Process[],
    private readonly spare: Process[]
  ) {
    this.#clients = plan.lanes.map(() => ({ jar: new Map(), held: undefined }))
    for (const process of [...processes, ...spare]) process.stage = this
  }

  turn(label: string): Promise<void> {
    return this.#isOpen ? this.order.schedule(label) : Promise.resolve()
  }

  async carryOut(): Promise<void> {
    this.#isOpen = false
    for (const [at, { user }] of this.plan.lanes.entries()) {
      if (user !== undefined) await this.#act({ process: 0, step: { do: 'login', user } }, at)
    }
    this.#isOpen = true
    await this.#drive(Promise.all(this.plan.lanes.map((lane, at) => this.#follow(lane, at))))
    this.#isOpen = false
    while (this.order.count() > 0) await this.order.next()
    for (const process of this.processes) process.fates = []
    await this.#checkEnd()
    const { maxPerUser } = this.plan
    this.violations.push(...findViolations(this.#facts, maxPerUser?.limit ?? Number.POSITIVE_INFINITY))
    for (const { stay, answeredAt } of this.#ends) {
      const isAlive = this.#facts.served.some((each) => each.stay === stay && each.sentAt > answeredAt)
      if (isAlive) this.violations.push('ALIVE after sessions.end()')
    }
  }

  // ------------------------------------------------------------- the order

  async #drive(work: Promise<unknown>): Promise<void> {
    let isOver = false
    work
      .finally(() => {
        isOver = true
      })
      .catch(() => {})
    for (;;) {
      await this.#settle()
      if (this.order.count() > 0) await this.order.next()
      else if (isOver) return void (await work)
    }
  }

  // Resolves when everything waits for its turn, so that the order of operations does not depend on time.
  async #settle(): Promise<void> {
    const quiet = async () => {
      for (let turns = 0; turns < 4; ) {
        await turn()
        turns = this.running === 0 ? turns + 1 : 0
      }
    }
    await quiet()
    // A login may pause until there is room.
    const mayPause =
      this.plan.maxPerUser !== undefined && [...this.#active].some(({ waiting }) => waiting === 0)
    if (!mayPause) return
    await sleep(LONG_PAUSE)
    await quiet()
  }

  async #follow({ tabOf, turns }: Lane, at: number): Promise<void> {
    for (const [number, each] of turns.entries()) {
      const name = `lane ${at} turn ${number}`
      await this.turn(`${name} begins`)
      const by = { name, waiting: 0 }
      this.#active.add(by)
      await caller.run(by, () =>
        at > 0 && tabOf !== undefined ? this.#asTab(each, tabOf) : this.#act(each, at)
      )
      this.#active.delete(by)
    }
  }

  // ------------------------------------------------------------- what happens

  async #act({ process: index, step }: Turn, at: number): Promise<void> {
    const process = this.processes[index] as Process
    const client = this.#clients[at] as Client
    switch (step.do) {
      case 'refuse':
      case 'lose':
        this.seen.faults++
        process.fates.push(step.do)
        return
      case 'crash':
        this.seen.crashes++
        process.crash()
        this.processes[index] = this.spare.pop() as Process
        return
      case 'list':
        return this.#list(process, step.user)
      case 'end all':
        return this.#endAllOf(process, step.user, undefined)
      case 'end others':
        return client.held && this.#endAllOf(process, Number(client.held.user), client.held)
      case 'end': {
        const held = this.#clients[step.browser]?.held
        return held && this.#end(process, held)
      }
      default:
        return this.#request(process, client, step)
    }
  }

  /** A request of another browser, whose answer leads to no claim. */
  async #asTab({ process, step }: Turn, tabOf: number): Promise<void> {
    const { jar } = this.#clients[tabOf] as Client
    const path = pathOf(step)
    if (path !== undefined) await this.#send(this.processes[process] as Process, path, new Map(jar))
  }

  async #list(process: Process, user: number): Promise<void> {
    const sentAt = ++this.#now
    const list = await process.perform((app) => app.sessions.of(user)).catch(() => 'failed' as const)
    if (!Array.isArray(list)) return
    this.seen.lists++
    const handles = list.map(({ id }) => `${user}/${id}`)
    this.#facts.lists.push({ user: String(user), handles, sentAt, answeredAt: ++this.#now })
    this.#claim(new Set(handles).size === handles.length, 'a list shows a session twice')
  }

  async #endAllOf(process: Process, user: number, except: Held | undefined): Promise<void> {
    const sentAt = ++this.#now
    const options = except === undefined ? {} : { except: handleIn(except.handle) }
    const ended = await process.perform((app) => app.sessions.endAllOf(user, options)).catch(() => 'failed')
    if (typeof ended !== 'number') return
    this.seen.revocations++
    const answeredAt = ++this.#now
    this.#facts.revocations.push({ user: String(user), except: except?.handle, sentAt, answeredAt })
  }

  async #end(process: Process, { handle, stay }: Held): Promise<void> {
    const ended = await process.perform((app) => app.sessions.end(handleIn(handle))).catch(() => 'failed')
    if (ended !== true) return
    this.seen.ends++
    const answeredAt = ++this.#now
    this.#facts.ended.push({ handle, answeredAt })
    this.#ends.push({ stay, answeredAt })
  }

  async #request(process: Process, client: Client, step: Turn['step']): Promise<void> {
    const { held: before } = client
    client.held = undefined
    const sentAt = ++this.#now
    const answer = await this.#send(process, pathOf(step) as string, client.jar)
    const answeredAt = ++this.#now
    if (answer === undefined) return
    const { status, code, detached, user } = answer
    const isLogin = SIGNING_IN.includes(step.do)
    if (status === 409) this.#note(code, isLogin)
    const hasSignedIn = status === 200 && (step.do === 'login' || step.do === 'confirm')
    this.#claim(!hasSignedIn || detached === undefined, 'looks like a login, but has no session')
    const cookie = client.jar.get(COOKIE)
    if (status !== 200 || detached !== undefined || cookie === undefined) {
      if (status === 200 && step.do === 'logout') this.#over(before, answeredAt)
      return
    }
    const next = 'user' in step ? step.user : user
    if (step.do === 'forget' || next === undefined) {
      if (step.do === 'forget') this.#over(before, answeredAt)
      return
    }
    const now = { user: String(next), handle: `${next}/${keyOf(cookie).slice('session:'.length)}` }
    const isSame = before?.handle === now.handle
    if (isLogin && !(isSame && step.do === 'become')) {
      this.seen.logins++
      this.#over(before, answeredAt)
      const stay = { stay: ++this.#stays, signedInAt: answeredAt }
      this.#hold(client, { ...now, ...stay, since: answeredAt, until: answeredAt })
      return
    }
    if (before === undefined || before.user !== now.user) return
    const { stay, signedInAt } = before
    this.#facts.served.push({ ...now, stay, signedInAt, sentAt, answeredAt })
    if (isSame) {
      before.until = Math.max(before.until, sentAt)
      client.held = before
      return
    }
    this.seen.moves++
    this.#over(before, answeredAt)
    this.#hold(client, { ...now, stay, signedInAt, since: answeredAt, until: answeredAt })
  }

  #note(code: string | undefined, isLogin: boolean): void {
    if (code === 'FST_SESSION_LIMIT') this.seen.refused++
    else if (isLogin) this.seen.overtaken++
    else this.seen.conflicts++
  }

  async #send(process: Process, path: string, jar: Map<string, string>) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = cookie === '' ? {} : { cookie }
    const response = await process.perform(async (app) => app.inject({ url: path, headers }))
    if (response === 'crashed') return undefined
    for (const { name, value, maxAge } of response.cookies) {
      if (maxAge === 0) jar.delete(name)
      else jar.set(name, value)
    }
    const { code, user } = response.json() as { code?: string; user?: number }
    return { status: response.statusCode, code, user, detached: response.headers.detached }
  }

  #hold(client: Client, held: Held): void {
    client.held = held
    this.#facts.held.push(held)
    // Its user has come back to it: without a new id it has the same handle again.
    this.#facts.ended = this.#facts.ended.filter(({ handle }) => handle !== held.handle)
  }

  #over(held: Held | undefined, answeredAt: number): void {
    if (held !== undefined) this.#facts.ended.push({ handle: held.handle, answeredAt })
  }

  // ------------------------------------------------------------- the end

  async #checkEnd(): Promise<void> {
    const [process] = this.processes as [Process]
    const { sessions } = process.app
    for (const user of USERS) await this.#list(process, user)
    const signedIn = this.#clients.filter(({ jar }) => jar.size > 0)
    for (const client of signedIn) await this.#request(process, client, { do: 'me' })
    for (const user of USERS) await this.#checkUser(process, user)
    for (const user of USERS) await sessions.endAllOf(user)
    for (const client of signedIn) {
      const answer = await this.#send(process, '/me', new Map(client.jar))
      this.#claim(answer?.user === undefined, 'at the end: a session answers after endAllOf()')
    }
    for (const user of USERS) {
      this.#claim((await sessions.of(user)).length === 0, 'at the end: a session is left in the list')
      this.#claim(
        (await this.#stored(process, user)).length === 0,
        'at the end: a session is left in the store'
      )
      const login = await this.#send(process, `/login/${user}`, new Map())
      this.#claim(
        login?.status === 200,
        `at the end: a login is answered with ${login?.status} ${login?.code}`
      )
    }
  }

  /** The list has every session of the store, and no other one. */
  async #checkUser(process: Process, user: number): Promise<void> {
    const stored = await this.#stored(process, user)
    const listed = new Set((await process.app.sessions.of(user)).map(({ id }) => id))
    for (const id of listed)
      this.#claim(stored.includes(id), 'at the end: a list shows a session that is dead')
    for (const id of stored) this.#claim(listed.has(id), 'at the end: a session is missing from the list')
    const { limit = Number.POSITIVE_INFINITY } = this.plan.maxPerUser ?? {}
    // A move that did not end may leave a record that no browser holds.
    const isUndisturbed = this.seen.crashes + this.seen.faults === 0
    this.#claim(!isUndisturbed || stored.length <= limit, `at the end: ${stored.length} sessions`)
  }

  /** The sessions of this user in the store. One that is also stored under its next id still has the old one. */
  async #stored(process: Process, user: number): Promise<string[]> {
    const found: { id: string; header: Header }[] = []
    for await (const { data, id } of process.app.sessions.all()) {
      if ((data as { userId?: number }).userId !== user) continue
      const { header } = openRecord((await this.backend.store.read(`session:${id}`)) as Buffer)
      found.push({ id, header })
    }
    return found
      .filter((one) => !found.some((other) => isParentOf(other.header, one.header)))
      .map(({ id }) => id)
  }

  #claim(holds: boolean, otherwise: string): void {
    if (!holds) this.violations.push(otherwise)
  }
}

/** The path of a request; `undefined` for what is none. */
function pathOf(step: Turn['step']): string | undefined {
  if ('user' in step) return SIGNING_IN.includes(step.do) ? `/${step.do}/${step.user}` : undefined
  return ['me', 'count', 'move', 'forget', 'logout'].includes(step.do) ? `/${step.do}` : undefined
}

function handleIn(held: string): string {
  return held.slice(held.indexOf('/') + 1)
}
