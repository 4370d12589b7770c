// The types of faults and scenarios.
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServiceOptions } from './service.js'

/** The Redis of a scenario. */
export interface Engine {
  redis: ServiceOptions['redis']
  close(): Promise<void>
}

export interface Fault<Struck extends Engine = Engine> {
  name: string
  /**
   * Resolves when the fault is over and Redis serves again.
   * @param ms The duration in milliseconds, unless the fault sets its own.
   */
  strike(engine: Struck, ms: number): Promise<unknown>
  /** Repairs what is still broken after the result is known. */
  mend?(engine: Struck): Promise<unknown>
  /** Milliseconds after the fault within which requests must succeed again. Without it there is no limit. */
  recovery?: number
  /** Whether most failed requests must fail at once. */
  failsFast?: boolean
  /** Whether acknowledged writes and sessions may be lost, if the plugin reports each lost write. */
  mayLose?: boolean
}

/** One Redis, one service, and the faults that hit them. */
export interface Scenario<Struck extends Engine = Engine> {
  name: string
  session: ServiceOptions['session']
  open(): Promise<Struck>
  /** The first fault is `none`. */
  faults: Fault<Struck>[]
}

/** Options of the plugin in all scenarios. */
export const COMMON = { secret: 'a secret that is known to all who read this' }

export const none: Fault = { name: 'none', strike: (_, ms) => sleep(ms), recovery: 0 }
