// The process of one subject: starts it on a free port of loopback, and reports its CPU time and heap to the parent.
import { Redis } from 'ioredis'
import type { Shares } from '../profile/shares.js'
import type { Running, Start } from './subject.js'
import { SUBJECTS } from './subjects.js'

/** Resources used since the start of the process. */
export interface Usage {
  /** Microseconds of CPU of all threads. */
  cpu: number
  /** Turns of the event loop. */
  turns: number
}

export type Request = 'usage' | 'heap' | 'startProfile' | 'stopProfile'
export type Answer = { port: number } | Usage | { heap: number } | 'started' | Shares

const [, , name = '', redisPort = '', db = ''] = process.argv
const subject = SUBJECTS.find((one) => one.name === name)
if (subject === undefined) throw new Error(`there is no subject ${name}`)

const { start } = (await import(subject.module)) as { start: Start }
const running: Running = await start(name, {
  url: `redis://127.0.0.1:${redisPort}/${db}`,
  connect: (options = {}) =>
    new Redis({ port: Number(redisPort), host: '127.0.0.1', db: Number(db), ...options })
})
tell({ port: running.port })

process.on('message', (request: Request) => {
  void answer(request)
})
process.on('disconnect', () => process.exit())

async function answer(request: Request): Promise<void> {
  if (request === 'usage') return tell(usage())
  if (request === 'heap') return tell({ heap: heap() })
  const { startProfile, stopProfile } = await import('../profile/profiler.js')
  if (request === 'stopProfile') return tell(await stopProfile())
  await startProfile()
  tell('started')
}

function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpu: user + system, turns: performance.nodeTiming.uvMetricsInfo.loopCount }
}

// The heap after two full collections, because weak references keep objects for one.
function heap(): number {
  if (globalThis.gc === undefined) throw new Error('this process needs --expose-gc')
  globalThis.gc()
  globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function tell(answer: Answer): void {
  process.send?.(answer)
}
