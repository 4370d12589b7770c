// Gives the server under test a core that neither the load nor Redis uses. This needs `taskset`.
import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'

interface Cores {
  /** The server under test. */
  server: number
  load: number
  redis: number
  /** Whether this machine can bind processes to cores. */
  pinned: boolean
}

export const CORES: Cores = chooseCores()

/** Binds a process with all its threads to a core. */
export function pin(pid: number, core: number): void {
  if (CORES.pinned) spawnSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' })
}

/** Microseconds in which any process has used the server's core so far. */
export function busyMicros(): number {
  const { user = 0, nice = 0, sys = 0 } = cpus()[CORES.server]?.times ?? {}
  return 1_000 * (user + nice + sys)
}

// If there are only two cores, the load and Redis share one, and the server has the other.
function chooseCores(): Cores {
  const { status, stdout } = spawnSync('taskset', ['-c', '-p', String(process.pid)], { encoding: 'utf8' })
  const allowed = status === 0 ? parseList(stdout.split(':').at(-1) ?? '') : []
  const [first = 0, second = first, third = first] = allowed
  return { server: second, load: first, redis: third, pinned: allowed.length > 1 }
}

/** Parses a set of cores in the kernel's notation, such as `0-2,5`. */
function parseList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .flatMap((range) => {
      const [from = 0, to = from] = range.split('-').map(Number)
      return Array.from({ length: to - from + 1 }, (_, index) => from + index)
    })
}
