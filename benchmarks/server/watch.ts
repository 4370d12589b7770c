// The work of Redis for a subject, by its own counters.
import type { Redis } from 'ioredis'

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
      let sent = 0
      const monitor = await redis.monitor()
      monitor.on('monitor', (_time, _command, source, database) => {
        if (source !== 'lua' && Number(database) === db) sent++
      })
      const before = await executed(redis)
      await send()
      const after = await executed(redis)
      await arrived(monitor, redis)
      monitor.disconnect()
      return { commands: sent / requests, executed: (after - before) / requests }
    }
  }
}

// MONITOR reports commands in order: when it reports this ECHO, it has reported all earlier ones.
async function arrived(monitor: Redis, redis: Redis): Promise<void> {
  const told = new Promise<void>((resolve) => {
    monitor.on('monitor', (_time: string, [command]: string[]) => {
      if (command?.toLowerCase() === 'echo') resolve()
    })
  })
  await Promise.all([told, redis.echo('')])
}

async function executed(redis: Redis): Promise<number> {
  const stats = await redis.info('commandstats')
  const calls = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
  return calls.reduce((sum, [, name, count]) => (name === 'info' ? sum : sum + Number(count)), 0)
}

function fieldOf(info: string, name: string): number {
  const value = new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]
  if (value === undefined) throw new Error(`INFO of Redis lacks the field ${name}`)
  return Number(value)
}
