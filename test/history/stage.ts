// A small service on one Redis for the tests of the checker. It ends with the test.
import type { Test } from 'tap'
import { generator } from '../support/random.js'
import type { Kind } from './check.js'
import { Single } from './engine.js'
import { Fleet } from './fleet.js'
import { TIMEOUT } from './groups.js'
import type { Action } from './history.js'
import type { RoundOptions } from './round.js'
import type { ServiceOptions } from './service.js'

const PROCESSES = 2

/** Options for rounds with a fixed seed that do not measure time. */
export async function stageOf(
  t: Test,
  service: Omit<ServiceOptions, 'redis'>,
  without: readonly Action[] = []
): Promise<RoundOptions<Single>> {
  const engine = await Single.start()
  t.teardown(() => engine.close())
  const fleet = await Fleet.start(engine, PROCESSES, service)
  t.teardown(() => fleet.stop())
  return {
    engine,
    fleet,
    random: generator(1),
    ms: 700,
    timeout: TIMEOUT,
    browsers: 3,
    habits: { tabs: 4, pause: 20, without },
    isTimed: false
  }
}

export function kindsOf(violations: readonly { kind: Kind }[]): Kind[] {
  return [...new Set(violations.map(({ kind }) => kind))]
}
