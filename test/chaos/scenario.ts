// One scenario: its Redis and its service are started, struck by one fault after the other, and stopped.
import type { Fault, Scenario } from './fault.js'
import { type Load, type Result, runSlice, startService } from './slice.js'

/**
 * What was seen of each of these faults of the scenario.
 * @param ms How long a fault lasts.
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
