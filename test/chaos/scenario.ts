// Runs one scenario: starts its Redis and its service, applies one fault after another, and stops both.
import type { Fault, Scenario } from './fault.js'
import { type Load, type Result, runSlice, startService } from './slice.js'

/**
 * Yields each fault with its result.
 * @param ms The duration of a fault in milliseconds.
 */
export async function* runScenario(
  { open, session }: Scenario,
  faults: readonly Fault[],
  ms: number,
  load: Load
): AsyncGenerator<readonly [Fault, Result]> {
  const engine = await open()
  try {
    const service = await startService({ redis: engine.redis, session })
    try {
      for (const fault of faults) {
        yield [fault, await runSlice(service, load, () => fault.strike(engine, ms))]
        await fault.mend?.(engine)
      }
    } finally {
      await service.stop()
    }
  } finally {
    await engine.close()
  }
}
