// The processes of the service, each with a store whose operations wait for their turn before they run, and before their
// answers arrive.
import { AsyncLocalStorage } from 'node:async_hooks'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance } from 'fastify'
import { UnavailableError, UncertainError } from '../../../lib/errors.js'
import redisSession, { type Store } from '../../../lib/index.js'
import type { SessionIndex } from '../../../lib/stores/session-index.js'
import { gate } from '../../support/gate.js'
import type { Plan } from './plan.js'

export interface Backend {
  store: Store
  index: SessionIndex
}

/** What decides when operations run. */
export interface Stage {
  backend: Backend
  /** Resolves when it is this operation's turn. */
  turn(label: string): Promise<void>
  /** How many operations run without waiting for their turn. */
  running: number
}

/** The turn of a lane that calls the store, with the operations that wait. */
export const caller = new AsyncLocalStorage<{ name: string; waiting: number }>()

const RECORDS = ['read', 'create', 'update', 'touch', 'destroy', 'end'] as const
const INDEX = ['enter', 'list', 'leave', 'revoke'] as const
type Name = (typeof RECORDS)[number] | (typeof INDEX)[number]
const WRITES: readonly Name[] = ['create', 'update', 'touch', 'destroy', 'end']

/** The plugin's `timeout` in milliseconds: no request is late, even on a busy machine. */
const NEVER = 3_600_000

export class Process {
  app = undefined as unknown as FastifyInstance
  stage = undefined as unknown as Stage
  /** What happens to its next operations. */
  fates: ('refuse' | 'lose')[] = []
  isDead = false
  readonly #end = gate()
  readonly #burial = gate()

  static async start(maxPerUser: Plan['maxPerUser'], stage: Stage): Promise<Process> {
    const process = new Process()
    process.stage = stage
    process.app = await createService(process.#gated(), maxPerUser)
    return process
  }

  /** Its requests get no further, and no answer. */
  crash(): void {
    this.isDead = true
    this.#end.open()
  }

  /** After the run, lets the requests of a killed process fail, so that none of them is waited for. */
  bury(): void {
    this.#burial.open()
  }

  /** What this work leads to, unless the process is killed meanwhile. */
  perform<Result>(work: (app: FastifyInstance) => Promise<Result>): Promise<Result | 'crashed'> {
    const crashed = this.#end.passed.then((): 'crashed' => 'crashed')
    return Promise.race([crashed, work(this.app)])
  }

  #gated(): Store {
    const of = (pick: (stage: Stage) => object, names: readonly Name[]) =>
      Object.fromEntries(
        names.map((name) => [
          name,
          (...given: unknown[]) =>
            this.#step(name, () => {
              const target = pick(this.stage) as Record<Name, (...given: unknown[]) => Promise<unknown>>
              return target[name](...given)
            })
        ])
      )
    const index = of(({ backend }) => backend.index, INDEX) as unknown as SessionIndex
    const store = of(({ backend }) => backend.store, RECORDS) as unknown as Store
    store.keys = (prefix) => (this.stage.backend.store as Required<Store>).keys(prefix)
    store.openIndex = async () => index
    return store
  }

  async #step(name: Name, act: () => Promise<unknown>): Promise<unknown> {
    await this.#turn(name)
    const fate = this.fates.shift()
    if (fate === 'refuse') throw new UnavailableError(name, 'a refusal')
    const { stage } = this
    stage.running++
    const result = await act().finally(() => stage.running--)
    await this.#turn(`answer of ${name}`)
    if (fate !== 'lose') return result
    throw new (WRITES.includes(name) ? UncertainError : UnavailableError)(name, 'a lost answer')
  }

  async #turn(label: string): Promise<void> {
    const by = caller.getStore()
    if (by !== undefined) by.waiting++
    await this.stage.turn(`${by?.name}: ${label}`)
    if (by !== undefined) by.waiting--
    if (!this.isDead) return
    await this.#burial.passed
    throw new UnavailableError('step', 'a killed process')
  }
}

async function createService(store: Store, maxPerUser: Plan['maxPerUser']): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(cookie)
  const options = maxPerUser === undefined ? {} : { maxPerUser }
  await app.register(redisSession, { store, user: 'userId', timeout: NEVER, ...options })
  // After the commit.
  app.addHook('onSend', async ({ session }, reply) => {
    if (session.detached !== undefined) reply.header('detached', session.detached)
  })
  const userIn = (params: unknown) => Number((params as { user: string }).user)
  app.get('/login/:user', async ({ params, session }) => {
    await session.regenerate(false)
    session.userId = userIn(params)
    return {}
  })
  app.get('/confirm/:user', async ({ params, session }) => {
    await session.regenerate(['count'])
    session.userId = userIn(params)
    return {}
  })
  app.get('/become/:user', async ({ params, session }) => {
    session.userId = userIn(params)
    return {}
  })
  app.get('/move', async ({ session }) => {
    await session.regenerate()
    return { user: session.get('userId') }
  })
  app.get('/count', async ({ session }) => {
    const user = session.get('userId')
    session.count = (session.count ?? 0) + 1
    return { user }
  })
  app.get('/me', async ({ session }) => ({ user: session.get('userId') }))
  app.get('/forget', async ({ session }) => {
    session.delete('userId')
    return {}
  })
  app.get('/logout', async ({ session }) => {
    await session.destroy()
    return {}
  })
  await app.ready()
  return app
}
