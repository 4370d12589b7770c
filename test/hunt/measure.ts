// Measures the time and memory of one step.
import type { Step } from './targets.js'

/** Limit of CPU time for one step in microseconds. */
const CPU = 50_000
/** The exceptions that SECURITY.md names: superjson visits each value several times, and `encodeLike` encodes twice. */
export const EXCEPTIONS: Record<string, number> = { 'encode superjson': 150_000, 'encode like': 150_000 }
/** Limit in bytes by which one step may grow the process. */
const MEMORY = 50e6

export const plain: Step = (_name, work) => work()

/** Returns a step that measures its work, and a function that names the worst step beyond its limits. */
export function measured(): { step: Step; exceeded: () => string | undefined } {
  let worst: string | undefined
  let most = 0
  const step: Step = (name, work) => {
    const [cpu, memory] = [process.cpuUsage(), bytes()]
    const result = work()
    const { user } = process.cpuUsage(cpu)
    const grown = bytes() - memory
    if ((user > (EXCEPTIONS[name] ?? CPU) || grown > MEMORY) && user >= most) {
      most = user
      worst = `${name}: ${Math.round(user / 1000)} ms, ${Math.round(grown / 1e6)} MB`
    }
    return result
  }
  return { step, exceeded: () => worst }
}

function bytes(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
