// Which core runs what, so that what is measured shares its own with nothing that is: by `taskset`, where it exists.
import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'

interface Cores {
  /** The server under test. */
  server: number
  load: number
  redis: number
  /** Whether processes can be bound to cores at all. */
  pinned: boolean
}

export const CORES: Cores = chooseCores()

/** Binds a process, all its threads included, to a core. */
export function pin(pid: number, core: number): void {
  if (CORES.pinned) spawnSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' })
}

/** Microseconds that the server's core has been busy so far, with whatever. */
export function busyMicros(): number {
  const { user = 0, nice = 0, sys = 0 } = cpus()[CORES.server]?.times ?? {}
  return 1_000 * (user + nice + sys)
}

// With two cores only, the load and Redis share the one that the server has not.
function chooseCores(): Cores {
  const { status, stdout } = spawnSync('taskset', ['-c', '-p', String(process.pid)], { encoding: 'utf8' })
  const allowed = status === 0 ? parseList(stdout.split(':').at(-1) ?? '') : []
  const [first = 0, second = first, third = first] = allowed
  return { server: second, load: first, redis: third, pinned: allowed.length > 1 }
}

/** `0-2,5`, as the kernel writes sets of cores. */
function parseList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .flatMap((range) => {
      const [from = 0, to = from] = range.split('-').map(Number)
      return Array.from({ length: to - from + 1 }, (_, index) => from + index)
    })
}
