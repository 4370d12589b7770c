// One scenario: its Redis and its service are started, struck by one fault after the other, and stopped.
import type { Fault, Scenario } from './faults.js'
import { promisesBroken } from './promises.js'
import { type Load, type Result, runSlice, startService } from './slice.js'

export interface Row {
  fault: Fault
  result: Result
  /** The slice of the same scenario in which nothing happened. */
  calm: Result
  broken: string[]
}

/**
 * The first slice is one without a fault, with which the others are compared.
 * @param ms How long a fault lasts.
 */
export async function* runScenario(
  { open, session, faults }: Scenario,
  isWanted: (fault: Fault) => boolean,
  ms: number,
  load: Load
): AsyncGenerator<Row> {
  const engine = await open()
  try {
    const service = await startService({ redis: engine.redis, session })
    try {
      let calm: Result | undefined
      for (const fault of faults.filter((fault, index) => index === 0 || isWanted(fault))) {
        const result = await runSlice(service, load, () => fault.strike(engine, ms))
        calm ??= result
        yield { fault, result, calm, broken: promisesBroken(fault, result, calm) }
        await fault.mend?.(engine)
      }
    } finally {
      await service.stop()
    }
  } finally {
    await engine.close()
  }
}
