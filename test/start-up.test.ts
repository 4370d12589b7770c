// What a start says of servers that are not at hand: a client that answers like them stands in for each.
import t from 'tap'
import { MemoryStore, type RedisClient } from '../lib/index.js'
import { checkAtStart } from '../lib/start-up.js'

async function linesFor(client: object): Promise<string> {
  const store = new MemoryStore()
  const lines: string[] = []
  const line = (_details: object, message: string) => void lines.push(message)
  const log = { error: line, warn: line, info: line }
  await checkAtStart({
    store,
    client: client as RedisClient,
    prefix: 'session:',
    timeout: 1_000,
    startUp: 'go',
    log
  })
  await store.close()
  return lines.join('\n')
}

t.test('a server that is too old', async (t) => {
  const info = async () => 'redis_version:6.0.16\r\nmaxmemory_policy:noeviction\r\n'
  t.equal(await linesFor({ info }), 'Redis 6.0.16 is older than 6.2: sessions may fail')
})

t.test('a Valkey, by its own version', async (t) => {
  const info = async () => 'redis_version:7.2.4\r\nvalkey_version:8.1.1\r\nmaxmemory_policy:volatile-lru\r\n'
  t.match(await linesFor({ info }), /^sessions are kept in Valkey 8\.1\.1\nRedis evicts .*\(volatile-lru\)/)
})

t.test('a client that cannot ask', async (t) => {
  t.match(await linesFor({}), 'not known')
})
