// One Redis server that can be killed and frozen, and keeps what it has acknowledged where it is told to.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { provideRedisServer } from '../../scripts/redis-binary.js'
import { freePort } from './redis-server.js'

// Unlike the servers of the tests this one leaves its folder behind when it is killed, for the next start. The shell
// ends with its input, which is the end of this process: the server is killed then, and the folder goes.
const LIFELINE = `exec 3<&0
"$@" 3<&- & server=$!
{ read -r _ <&3; rm -rf "$0"; kill -9 $server; } 2>/dev/null & lifeline=$!
wait $server
kill $lifeline`

export interface SingleServer {
  port: number
  client: Redis
  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  /** Starts it again after a SIGKILL, and waits until it serves. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** @param isDurable Whether what it has acknowledged survives a SIGKILL. */
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
    child = spawn('sh', ['-c', LIFELINE, folder, binary, ...settings], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true
    })
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
      const exit = once(child, 'exit')
      child.stdin?.end()
      await exit
    }
  }
}

async function processOf(client: Redis): Promise<number> {
  // ioredis waits for the end of LOADING by itself before it sends this.
  const [, pid] = /^process_id:(\d+)/m.exec(await client.info('server')) ?? []
  return Number(pid)
}
