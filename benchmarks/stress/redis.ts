// A Redis server for benchmarks: free port, loopback, nothing persisted, gone with this process.
import { startRedis } from '../../test/support/redis-server.js'

export interface BenchmarkServer {
  port: number
  stop(): Promise<void>
}

export async function startServer(): Promise<BenchmarkServer> {
  const teardowns: (() => unknown)[] = []
  // A benchmark is no test, and what starts the server needs no more of one than this.
  const lifetime = { teardown: (end: () => unknown) => void teardowns.push(end) }
  const { port } = await startRedis(lifetime as unknown as Parameters<typeof startRedis>[0])
  return {
    port,
    async stop() {
      for (const end of teardowns.reverse()) await end()
    }
  }
}
