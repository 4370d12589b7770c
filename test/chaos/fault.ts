// What a fault is, and a scenario: one Redis, one service, and all that is done to them.
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServiceOptions } from './service.js'

/** The Redis of a scenario, as the service finds it. */
export interface Engine {
  redis: ServiceOptions['redis']
  close(): Promise<void>
}

export interface Fault<Struck extends Engine = Engine> {
  name: string
  /**
   * Resolves when it is over and Redis serves again.
   * @param ms How long it lasts, where it does not decide that itself.
   */
  strike(engine: Struck, ms: number): Promise<unknown>
  /** Puts right what is still out of order when all has been seen. */
  mend?(engine: Struck): Promise<unknown>
  /** Milliseconds after which the service must be well again; not given: as soon as it can. */
  recovery?: number
  /** Whether most requests that fail do so at once. */
  failsFast?: boolean
  /** Whether acknowledged writes may be gone, if each of them is noticed; sessions may be gone then too. */
  mayLose?: boolean
}

/** One Redis and one service, with all that is done to them. */
export interface Scenario<Struck extends Engine = Engine> {
  name: string
  session: ServiceOptions['session']
  open(): Promise<Struck>
  /** The first is none. */
  faults: Fault<Struck>[]
}

/** What the plugin is told everywhere. */
export const COMMON = { secret: 'a secret that is known to all who read this' }

export const none: Fault = { name: 'none', strike: (_, ms) => sleep(ms), recovery: 0 }
