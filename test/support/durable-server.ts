// A Redis server that can be killed and frozen. If asked to, it keeps what it has acknowledged.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { provideRedisServer } from '../../scripts/redis-binary.js'
import { halt, spawnWithLifeline } from './lifeline.js'
import { freePort } from './redis-server.js'

export interface SingleServer {
  port: number
  client: Redis
  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  /** Starts it again after a SIGKILL, and waits until it is ready. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** @param isDurable Whether acknowledged writes survive a SIGKILL. */
export async function startSingle(isDurable: boolean): Promise<SingleServer> {
  const binary = provideRedisServer()
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'session-durable-'))
  const durability = isDurable ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no']
  const settings = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...durability]
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 10, maxRetriesPerRequest: null })
  client.on('error', () => {})
  let child: ChildProcess
  let pid: number

  const start = async (): Promise<void> => {
    // The next start needs its folder.
    child = spawnWithLifeline(folder, binary, settings, true)
    const ended = once(child, 'exit').then(() => {
      throw new Error(`${binary} did not start`)
    })
    ended.catch(() => {})
    pid = await Promise.race([processOf(client), ended])
  }
  await start()
  return {
    port,
    client,
    async signal(name) {
      process.kill(pid, name)
      if (name === 'SIGKILL') await once(child, 'exit')
    },
    restart: start,
    async stop() {
      client.disconnect()
      await halt(child)
    }
  }
}

async function processOf(client: Redis): Promise<number> {
  // ioredis itself waits for the end of LOADING before it sends this.
  const [, pid] = /^process_id:(\d+)/m.exec(await client.info('server')) ?? []
  return Number(pid)
}
