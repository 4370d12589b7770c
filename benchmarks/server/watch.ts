// The work of Redis for a subject, by its own counters.
import type { Redis } from 'ioredis'
import { countCommands } from './monitor.js'

export interface Watch {
  /** Microseconds of CPU that Redis has used so far. */
  cpu(): Promise<number>
  /** Counts the commands per request. @param requests The number of requests that `send` sends. */
  count(db: number, requests: number, send: () => Promise<unknown>): Promise<Count>
}

export interface Count {
  /** Commands that the server sent, as MONITOR shows them; a script counts as one. */
  commands: number
  /** Commands that Redis executed, as INFO counts them: a script and the commands that it calls. */
  executed: number
}

export function watch(redis: Redis): Watch {
  return {
    async cpu() {
      const info = await redis.info('cpu')
      return 1e6 * (fieldOf(info, 'used_cpu_user') + fieldOf(info, 'used_cpu_sys'))
    },
    async count(db, requests, send) {
      let before = 0
      let after = 0
      const commands = await countCommands(redis, db, async () => {
        before = await executed(redis)
        await send()
        after = await executed(redis)
      })
      return { commands: commands / requests, executed: (after - before) / requests }
    }
  }
}

/** Commands that no request causes: those of this module, and the PINGs of a near cache. */
const NOT_COUNTED = new Set(['info', 'ping'])

async function executed(redis: Redis): Promise<number> {
  const stats = await redis.info('commandstats')
  const calls = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
  return calls.reduce((sum, [, name, count]) => (NOT_COUNTED.has(name ?? '') ? sum : sum + Number(count)), 0)
}

function fieldOf(info: string, name: string): number {
  const value = new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]
  if (value === undefined) throw new Error(`INFO of Redis lacks the field ${name}`)
  return Number(value)
}
