// The questions to each library. Each has its own server, a visitor with a session, and an empty Redis.
import type { Redis } from 'ioredis'
import { PATIENCE, type Visitor } from './visitor.js'

export interface Scene {
  visitor: Visitor
  redis: Redis
  hasEncodings: boolean
  /** Runs this work between reading and changing the session, in the next request that sets a key. */
  during(work: () => Promise<unknown>): void
  /** Restarts the server with another encoding. */
  redeploy(): Promise<void>
  /** Freezes the process of Redis during this work. */
  frozen<Result>(work: () => Promise<Result>): Promise<Result>
}

export interface Question {
  row: string
  /** ioredis' `commandTimeout` in milliseconds, for libraries that take a client. */
  commandTimeout?: number
  ask(scene: Scene): Promise<string>
}

interface Seen {
  key: string
  count: number
  isDate: boolean
}

async function look(visitor: Visitor): Promise<Seen[]> {
  const { status, body } = await visitor.get('/look')
  return status === 200 ? (body as Seen[]) : []
}

async function whenFrozen({ visitor, frozen }: Scene): Promise<string> {
  const startedAt = performance.now()
  return frozen(() => visitor.get('/look')).then(
    ({ status, body }) => {
      const seconds = Math.round((performance.now() - startedAt) / 1_000)
      const whose = status === 200 && (body as Seen[]).length === 0 ? ', without the session' : ''
      return `${status} after ${seconds} s${whose}`
    },
    () => `no answer in ${PATIENCE / 1_000} s`
  )
}

/** The commands that a request sends to Redis, as text. */
async function commands({ visitor, redis }: Scene, path: string): Promise<string> {
  const monitor = await redis.monitor()
  const seen: string[] = []
  const END = 'the end of these commands'
  const ended = new Promise<void>((resolve) => {
    monitor.on('monitor', (_time, [name = '', argument]: string[], source: string) => {
      if (argument === END) resolve()
      // Commands that a script calls are part of the script.
      else if (source !== 'lua') seen.push(name.toUpperCase())
    })
  })
  await visitor.get(path)
  await redis.echo(END)
  await ended
  monitor.disconnect()
  return seen.join(', ')
}

export const QUESTIONS: readonly Question[] = [
  {
    row: 'Two parallel requests each set a key',
    async ask({ visitor, during }) {
      during(() => visitor.get('/set?key=second'))
      await visitor.get('/set?key=third')
      const keys = (await look(visitor)).map(({ key }) => key)
      return keys.includes('second') && keys.includes('third') ? 'both kept' : 'one lost'
    }
  },
  {
    row: 'A slow request writes after a logout',
    async ask({ visitor, during }) {
      const twin = visitor.twin()
      during(() => visitor.get('/end'))
      await visitor.twin().get('/set?key=second')
      return (await look(twin)).length > 0 ? 'session is back' : 'stays logged out'
    }
  },
  {
    row: 'A change inside an object, such as `cart.items.push()`',
    async ask({ visitor }) {
      await visitor.get('/count?key=first')
      return (await look(visitor))[0]?.count === 1 ? 'kept' : 'lost'
    }
  },
  {
    row: 'A `Date`',
    async ask({ visitor }) {
      return (await look(visitor))[0]?.isDate ? 'kept' : 'becomes a string'
    }
  },
  {
    row: 'Another serializer is deployed',
    async ask({ visitor, hasEncodings, redeploy }) {
      if (!hasEncodings) return 'only JSON'
      await redeploy()
      const { status, body } = await visitor.get('/look')
      if (status !== 200) return `${status} to all with a session`
      return (body as Seen[]).length > 0 ? 'sessions stay' : 'sessions end'
    }
  },
  { row: 'Redis is frozen', ask: whenFrozen },
  { row: 'The same, client with `commandTimeout: 1000`', commandTimeout: 1_000, ask: whenFrozen },
  { row: 'Redis commands of a read', ask: (scene) => commands(scene, '/look') },
  { row: 'Redis commands of a write', ask: (scene) => commands(scene, '/set?key=second') }
]
