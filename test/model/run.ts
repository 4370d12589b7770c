// Runs one plan with real Fastify instances, a real store, and a scheduler that decides the order of operations.
import { setImmediate as turn } from 'node:timers/promises'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { append, larger, sum, union } from '../../lib/data/merge-rules.js'
import redisSession, { type Session, type Store } from '../../lib/index.js'
import { serializers } from '../../serializers/index.js'
import type { Dictionary, Serializer } from '../../serializers/serializer.js'
import { type Caller, caller, GatedStore, type Operation } from './gated-store.js'
import { type Content, EMPTY } from './intent.js'
import { isTombstone, keyOf, revisionOf, UnavailableError, UncertainError } from './internals.js'
import { Account, GRACE, Ledger } from './ledger.js'
import { type Order, WrittenOrder } from './order.js'
import { type Fate, KEEP_SOME, type Lane, type Plan, type Step, type Visit } from './plan.js'

const COOKIE = '__Host-session'
/** The plugin's `timeout` in milliseconds: no request is late, even on a busy machine. */
const NEVER = 3_600_000
/** Milliseconds after which a run without progress fails. */
const STUCK_AFTER = 120_000
const FIRST_VISIT: Visit = {
  app: 0,
  steps: [{ do: 'login' }, { do: 'append' }, { do: 'nested' }],
  end: 'ok',
  fates: []
}

export interface Outcome {
  violations: string[]
  operations: number
  seen: Ledger['seen']
}

/** The store that all processes share, and direct access to its records. */
export interface Backend {
  store: Store
  clear(): Promise<void>
  dump(keys: string[]): Promise<Map<string, Uint8Array>>
  /** Removes records whose time is over, if the store does not know it. */
  expire(keys: string[]): Promise<void>
}

/** Fastify instances that serve all runs. */
export class Fleet {
  readonly #apps = new Map<string, Promise<FastifyInstance>>()

  get(plan: Plan, index: number): Promise<FastifyInstance> {
    const { touchAfter } = plan
    const serializer = plan.serializers[index] ?? 'json'
    const name = `${index} ${serializer} ${touchAfter}`
    let app = this.#apps.get(name)
    if (app === undefined) {
      app = createProcess({ serializer, touchAfter })
      this.#apps.set(name, app)
    }
    return app
  }

  async close(): Promise<void> {
    for (const app of this.#apps.values()) await (await app).close()
  }
}

async function createProcess(options: {
  serializer: 'json' | 'superjson' | 'msgpack'
  touchAfter: number
}): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(cookie)
  const store = new GatedStore()
  const merge = { count: sum, log: append, tags: union, best: larger, guard: 'conflict' } as const
  await app.register(redisSession, {
    store,
    merge,
    timeout: NEVER,
    graceAfterRegenerate: GRACE,
    ...options
  })
  await Promise.all(Object.values(serializers).map((serializer: Serializer) => serializer.load?.()))
  const current = () => caller.getStore() as Request
  // Runs after the plugin's hook, which waits for the commit.
  app.addHook('onSend', async () => {
    current().isCommitted = true
  })
  app.addHook('onError', async () => {
    current().hasFailed = true
  })
  app.get('/', async (request, reply) => current().handle(request.session, reply))
  return app
}

/** One request in flight. */
class Request implements Caller {
  readonly account: Account
  readonly app: FastifyInstance
  isWaiting = false
  /** The client has closed the connection. */
  isAbandoned = false
  /** The operation that has not started or not answered yet. */
  operation: Operation | undefined
  session: Session | undefined
  isAnswered = false
  /** Its commit is done, or it needed none. */
  isCommitted = false
  /** Its handler or its commit has failed. */
  hasFailed = false
  #reply: FastifyReply | undefined
  readonly #fates: Fate[]
  readonly #run: Run

  constructor(name: string, visit: Visit, sent: readonly string[], app: FastifyInstance, run: Run) {
    this.account = new Account(name, visit, sent, run.ledger)
    this.app = app
    this.#fates = [...visit.fates]
    this.#run = run
  }

  async perform<T>(operation: Operation, act: (store: Store) => Promise<T>): Promise<T> {
    const { account } = this
    const { ledger, backend } = this.#run
    const fate = this.#fates.shift() ?? 'pass'
    const { name } = operation
    this.operation = operation
    ledger.checkSent(account, operation)
    try {
      await this.#gate(name)
      if (fate === 'refuse') {
        ledger.bookRefusal(account, operation)
        throw new UnavailableError(name, 'a refusal')
      }
      let outcome = await act(backend.store)
      ledger.book(account, operation, outcome, fate)
      if (fate === 'resend') {
        await this.#gate(`${name} again`)
        outcome = await act(backend.store)
        ledger.book(account, operation, outcome, 'pass')
      }
      if (fate === 'lose') {
        await this.#gate(`lost answer of ${name}`)
        const Failure = name === 'read' ? UnavailableError : UncertainError
        throw new Failure(name, 'a lost answer')
      }
      await this.#gate(`answer of ${name}`)
      return outcome
    } finally {
      this.operation = undefined
    }
  }

  async #gate(label: string): Promise<void> {
    this.isWaiting = true
    await this.#run.schedule(`${this.account.name}: ${label}`)
    this.isWaiting = false
  }

  /** Whether it still makes progress without the scheduler. */
  get isRunning(): boolean {
    if (this.isWaiting) return false
    const isOver = this.isAnswered || this.isCommitted || this.#reply?.raw.writableEnded === true
    return this.operation !== undefined || !isOver
  }

  /** Whether its client is gone and Fastify will neither call its handler nor send an answer. */
  get isLost(): boolean {
    if (this.operation !== undefined) return false
    return this.isAbandoned && (this.session === undefined || this.isCommitted || this.hasFailed)
  }

  /** Whether this request may wait for another one of the same process and session. */
  mayWaitFor(other: Request): boolean {
    return (
      this.operation === undefined &&
      other !== this &&
      other.app === this.app &&
      // A second cookie may have led one of them to the session.
      this.account.keys.some((key) => other.account.keys.includes(key)) &&
      other.isWaiting &&
      // Requests load their sessions in parallel and wait only with their commits.
      (other.operation?.name !== 'read' || other.session !== undefined)
    )
  }

  async handle(session: Session, reply: FastifyReply): Promise<unknown> {
    this.session = session
    this.#reply = reply
    const { visit } = this.account
    try {
      for (const step of visit.steps) {
        this.account.begins(step.do)
        await this.#take(step, session)
      }
    } catch (error) {
      this.#run.ledger.checkFailure(this.account, (error as { code?: string }).code)
      throw error
    } finally {
      this.account.begins(undefined)
    }
    if (visit.end === 'fail') throw Object.assign(new Error('planned failure'), { code: 'PLANNED' })
    if (visit.end === 'refuse') reply.code(400)
    return {}
  }

  async #take(step: Step, session: Session): Promise<void> {
    const { account } = this
    const { ledger } = this.#run
    const data = session as unknown as Dictionary
    switch (step.do) {
      case 'read':
        ledger.checkView(account, viewOf(session))
        break
      case 'set':
        data[step.key] = this.#run.unique()
        account.intent.assign(step.key, data[step.key])
        break
      case 'delete':
        delete data[step.key]
        account.intent.assign(step.key, undefined)
        break
      case 'toggle':
        data.flag = step.value
        account.intent.assign('flag', step.value)
        break
      case 'guard':
        data.guard = this.#run.unique()
        account.intent.assign('guard', data.guard)
        break
      case 'nested': {
        data.cart ??= { items: [] }
        const { items } = data.cart as { items: string[] }
        items.push(this.#run.unique())
        account.intent.assign('cart', structuredClone(data.cart))
        break
      }
      case 'append': {
        const entry = this.#run.unique()
        if (data.log === undefined) data.log = [entry]
        else (data.log as string[]).push(entry)
        account.intent.log.push(entry)
        break
      }
      case 'add':
        data.count = Number(data.count ?? 0) + step.by
        account.intent.count += step.by
        break
      case 'join': {
        const tags = (data.tags ?? []) as string[]
        if (!tags.includes(step.tag)) {
          data.tags = [...tags, step.tag]
          account.intent.tags.push(step.tag)
        }
        break
      }
      case 'raise':
        if (step.to > Number(data.best ?? 0)) {
          data.best = step.to
          account.intent.best = step.to
        }
        break
      case 'permanent':
        session.permanent = step.value
        account.intent.remember(step.value)
        break
      case 'lifetime':
        session.lifetime = step.seconds
        account.intent.live(step.seconds)
        break
      case 'regenerate':
        await this.#regenerate(session, step.keep)
        break
      case 'login':
        await this.#regenerate(session, 'all')
        data.userId = this.#run.unique()
        account.intent.assign('userId', data.userId)
        break
      case 'touch':
        session.touch()
        break
      case 'empty':
        if (account.isLoaded) account.isLoose = true
        else account.intent.drop([])
        for (const key of Object.keys(session)) delete data[key]
        break
      case 'destroy':
        await session.destroy()
        ledger.checkDestroyed(account)
        break
      case 'save':
        await this.#save(session)
        break
      case 'try to save':
        await this.#save(session).catch((error) => {
          if (error.statusCode !== 503) throw error
          ledger.checkFailure(account, error.code)
        })
        break
      case 'reload': {
        account.isLoose = false
        const isStored = !session.isNew
        const { keep, regenerate } = account.intent
        await session.reload()
        if (!isStored) account.begin(EMPTY, ledger)
        // The session still gets the new id that the handler requested, and drops the same keys.
        else if (regenerate && !session.isNew) account.intent.renew(keep)
        break
      }
    }
  }

  async #save(session: Session): Promise<void> {
    await session.save()
    this.#run.ledger.checkSaved(this.account, viewOf(session))
  }

  async #regenerate(session: Session, keep: 'all' | 'none' | 'some'): Promise<void> {
    const kept = { all: true, none: false, some: KEEP_SOME as unknown as [] }[keep]
    await session.regenerate(kept)
    this.account.intent.renew({ all: undefined, none: [], some: KEEP_SOME }[keep])
  }
}

function endOf(operation: Operation): number {
  return 'expiresAt' in operation ? operation.expiresAt : Number.POSITIVE_INFINITY
}

function viewOf(session: Session): Content {
  const { permanent, lifetime } = session
  return { data: structuredClone(session.data()), permanent, lifetime }
}

class Run {
  readonly ledger: Ledger
  readonly #jars = [new Map<string, string>(), new Map<string, string>()]
  readonly #requests: Request[] = []
  #apps: FastifyInstance[] = []
  readonly #abandoned: Request[] = []
  #count = 0
  /** The clock of all processes and of the memory store. It stands still while nothing lets time pass. */
  #now = Date.now()
  #isExpiring = false
  #order: Order = new WrittenOrder('')

  constructor(
    readonly plan: Plan,
    private readonly order: Order,
    readonly backend: Backend,
    readonly fleet: Fleet
  ) {
    this.ledger = new Ledger(plan.touchAfter)
  }

  unique(): string {
    this.#count++
    return `v${this.#count}`
  }

  schedule(label: string): Promise<void> {
    return this.#order.schedule(label)
  }

  async carryOut(): Promise<Outcome> {
    const { now } = Date
    Date.now = () => this.#now
    try {
      return await this.#carryOut()
    } finally {
      Date.now = now
    }
  }

  async #carryOut(): Promise<Outcome> {
    await this.backend.clear()
    this.#apps = await Promise.all(this.plan.serializers.map((_, index) => this.fleet.get(this.plan, index)))
    // All tabs of the first browser share one session from the start.
    await this.#together([{ browser: 0, visits: [FIRST_VISIT] }])
    this.#order = this.order
    await this.#together(this.plan.lanes)
    for (const { account } of this.#abandoned) this.ledger.checkAnswer(account, undefined)
    this.ledger.checkEnd(await this.backend.dump(this.ledger.keys))
    const { violations, clock, seen } = this.ledger
    return { violations, operations: clock, seen }
  }

  async #together(lanes: Lane[]): Promise<void> {
    let failure: unknown
    for (const [index, lane] of lanes.entries()) {
      this.#follow(lane, index).catch((error) => {
        failure = error
      })
    }
    for (;;) {
      await this.#settle(() => failure)
      if (failure !== undefined) throw failure
      if (this.#order.count() === 0) return
      await this.#order.next()
    }
  }

  // Resolves when every request waits for the scheduler or for another request that does.
  async #settle(failed: () => unknown): Promise<void> {
    const giveUpAt = performance.now() + STUCK_AFTER
    for (let quiet = 0; quiet < 4; ) {
      await turn()
      const active = this.#requests.filter(({ isRunning }) => isRunning)
      const isQuiet =
        !this.#isExpiring &&
        active.every((request) => request.isLost || this.#requests.some((other) => request.mayWaitFor(other)))
      // A lane between two requests starts the next one within a few turns of the event loop.
      quiet = isQuiet ? quiet + 1 : 0
      if (failed() !== undefined) return
      if (performance.now() > giveUpAt)
        throw new Error(`stuck: ${active.map(({ account }) => account.name).join(', ')}`)
    }
  }

  async #follow({ browser, visits }: Lane, index: number): Promise<void> {
    for (const [number, visit] of visits.entries()) {
      const name = `tab ${index} request ${number}`
      await this.schedule(`${name} begins`)
      if (visit === 'expire') {
        this.#isExpiring = true
        await this.#expire(browser)
        this.#isExpiring = false
      } else if ('seconds' in visit) await this.#pass(visit.seconds)
      else await this.#send(name, browser, visit)
    }
  }

  async #pass(seconds: number): Promise<void> {
    const now = this.#now + seconds * 1_000
    // A record that expires on its way to the store is nothing that the model describes.
    const isOvertaken = this.#requests.some(
      ({ operation }) => operation !== undefined && endOf(operation) <= now
    )
    if (isOvertaken || !this.ledger.maySkipTo(now)) return
    this.#now = now
    this.#isExpiring = true
    await this.backend.expire(this.ledger.skip())
    this.#isExpiring = false
  }

  async #expire(browser: number): Promise<void> {
    const { store } = this.backend
    const key = keyOf(this.#jars[browser]?.get(COOKIE) ?? '')
    const record = await store.read(key)
    if (record === undefined || isTombstone(record)) return
    await store.destroy(key, revisionOf(record))
    this.ledger.bury(key)
  }

  async #send(name: string, browser: number, visit: Visit): Promise<void> {
    const app = this.#apps[visit.app % this.#apps.length] as FastifyInstance
    const jar = this.#jars[browser] as Map<string, string>
    const request = new Request(name, visit, [...jar.values()].map(keyOf), app, this)
    const { account } = request
    this.#requests.push(request)
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = cookie === '' ? {} : { cookie }
    const client = new AbortController()
    const response = caller.run(request, async () => app.inject({ url: '/', headers, signal: client.signal }))
    if (visit.end === 'leave') {
      await this.schedule(`${name}: the client leaves`)
      request.isAbandoned = true
      client.abort()
      const isServed = await response.then(
        () => true,
        () => false
      )
      if (!isServed) {
        this.#abandoned.push(request)
        return
      }
    }
    const { statusCode, cookies, body } = await response
    request.isAnswered = true
    account.sees()
    const set = cookies.find((cookie) => cookie.name === COOKIE)
    for (const { name, value, maxAge } of cookies) {
      if (maxAge === 0) jar.delete(name)
      else jar.set(name, value)
    }
    this.ledger.checkAnswer(account, {
      status: statusCode,
      code: JSON.parse(body).code,
      detached: request.session?.detached,
      destroyed: request.session?.destroyed ?? false,
      cookie: set === undefined ? undefined : set.maxAge === 0 ? null : keyOf(set.value),
      maxAge: set?.maxAge,
      offered: cookies.filter(({ name }) => name !== COOKIE).map(({ value }) => keyOf(value))
    })
  }
}

export function carryOut(plan: Plan, order: Order, backend: Backend, fleet: Fleet): Promise<Outcome> {
  return new Run(plan, order, backend, fleet).carryOut()
}
