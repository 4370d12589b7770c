// The processes of a measurement: one for each subject and one for the load, each bound to its core.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { CORES, pin } from '../cores.js'
import { compiled } from '../install.js'
import type { Shares } from '../profile/shares.js'
import type { Order, Report, Sent } from './orders.js'
import type { Answer, Request, Usage } from './process.js'
import type { Subject } from './subjects.js'

export interface SubjectProcess {
  subject: Subject
  name: string
  port: number
  /** The number of this subject's database in Redis. */
  db: number
  usage(): Promise<Usage>
  /** Bytes of the heap after full garbage collections. */
  heap(): Promise<number>
  startProfile(): Promise<void>
  stopProfile(): Promise<Shares>
  stop(): Promise<void>
}

export interface LoadProcess {
  begin(order: Omit<Order & { do: 'begin' }, 'do'>): Promise<void>
  send(order: Omit<Order & { do: 'send' }, 'do'>): Promise<Sent>
  stop(): Promise<void>
}

const ENVIRONMENT = { ...process.env, NODE_ENV: 'production' }

export async function startSubject(subject: Subject, redisPort: number, db: number): Promise<SubjectProcess> {
  const { name } = subject
  const child = fork(compiled('server/process.ts'), [name, String(redisPort), String(db)], {
    execArgv: ['--expose-gc'],
    env: ENVIRONMENT
  })
  pin(child.pid as number, CORES.server)
  const { port } = (await answerOf(child, name)) as { port: number }
  const ask = (request: Request): Promise<Answer> => {
    child.send(request)
    return answerOf(child, name) as Promise<Answer>
  }
  return {
    subject,
    name,
    port,
    db,
    usage: () => ask('usage') as Promise<Usage>,
    heap: async () => ((await ask('heap')) as { heap: number }).heap,
    startProfile: async () => void (await ask('startProfile')),
    stopProfile: () => ask('stopProfile') as Promise<Shares>,
    stop: () => end(child)
  }
}

export async function startLoad(): Promise<LoadProcess> {
  const child = fork(compiled('server/load.ts'), { execArgv: [], env: ENVIRONMENT })
  pin(child.pid as number, CORES.load)
  const carryOut = async (order: Order) => {
    child.send(order)
    const report = (await answerOf(child, 'the load')) as Report
    if ('failed' in report) throw new Error(`${order.subject}: ${report.failed}`)
    return report.done
  }
  return {
    begin: async (order) => void (await carryOut({ do: 'begin', ...order })),
    send: (order) => carryOut({ do: 'send', ...order }) as Promise<Sent>,
    stop: () => end(child)
  }
}

const PATIENCE = 60_000

/** The next message of a child process; an error if it ends or stays silent too long. */
async function answerOf(child: ChildProcess, name: string): Promise<unknown> {
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(PATIENCE)])
  const ended = once(child, 'exit', { signal }).then(() => {
    throw new Error(`the process of ${name} has ended`)
  })
  try {
    const [message] = await Promise.race([once(child, 'message', { signal }), ended])
    return message
  } finally {
    ended.catch(() => {})
    over.abort()
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.disconnect()
  await exit
}
