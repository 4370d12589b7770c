// Counts the commands that reach Redis, by MONITOR on a plain socket: a client of ioredis fails if another command
// reaches Redis before the client knows that it is monitoring, such as a PING of the near cache.
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { Redis } from 'ioredis'

const LINE = /^\+[\d.]+ \[(\d+) (\S+)\] "([^"]+)"/

/** The commands that clients of this database send during the work; a script counts as one, and PING does not count. */
export async function countCommands(redis: Redis, db: number, work: () => Promise<unknown>): Promise<number> {
  const socket = connect(redis.options.port ?? 0, redis.options.host)
  const lines = createInterface({ input: socket })
  try {
    socket.write('MONITOR\r\n')
    await once(lines, 'line')
    let count = 0
    const ended = new Promise<void>((resolve) => {
      lines.on('line', (line) => {
        const [, database, source, command = ''] = LINE.exec(line) ?? []
        // Redis reports commands in order: when it reports this ECHO, it has reported all earlier ones.
        if (command.toLowerCase() === 'echo') resolve()
        else if (source !== 'lua' && Number(database) === db && command.toLowerCase() !== 'ping') count++
      })
    })
    await work()
    await Promise.all([ended, redis.echo('')])
    return count
  } finally {
    socket.destroy()
  }
}
