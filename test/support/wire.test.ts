// The proxy between the service and Redis. The faults of the history checker consist of what it does.
import { once } from 'node:events'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { until } from './gate.js'
import { startRedis } from './redis-server.js'
import { Wire } from './wire.js'

async function wired(t: Test) {
  const server = await startRedis(t)
  const wire = new Wire(server.port)
  const port = await wire.listen()
  const client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 0, retryStrategy: () => 10 })
  client.on('error', () => {})
  t.teardown(async () => {
    client.disconnect()
    await wire.close()
  })
  await client.ping()
  return { server, wire, client }
}

t.test("fate: with 'lose' the command is executed and its reply is lost", async (t) => {
  const { server, wire, client } = await wired(t)
  wire.fate = () => 'lose'
  await t.rejects(client.set('key', 'value'))
  t.equal(await server.client.get('key'), 'value')
  t.match(wire.counts, { lost: 1, cut: 0 })
})

t.test("fate: with 'cut' the command is not executed, and reads are never cut", async (t) => {
  const { server, wire, client } = await wired(t)
  wire.fate = () => 'cut'
  await t.rejects(client.set('key', 'value'))
  t.equal(await server.client.get('key'), null)
  t.match(wire.counts, { lost: 0, cut: 1 })
  await until(() => client.status === 'ready')
  t.equal(await client.get('key'), null)
})

t.test('fate: a delayed reply arrives before the replies to later commands', async (t) => {
  const { wire, client } = await wired(t)
  const fates = [30, 'pass'] as const
  let turn = 0
  wire.fate = () => fates[turn++] ?? 'pass'
  const answers: unknown[] = []
  const keep = (answer: unknown) => answers.push(answer)
  await Promise.all([client.set('key', 'one').then(keep), client.get('key').then(keep)])
  t.same(answers, ['OK', 'one'])
})

t.test('freeze(): data that was sent meanwhile arrives with thaw()', async (t) => {
  const { server, wire, client } = await wired(t)
  wire.freeze()
  const answer = client.set('key', 'value')
  t.equal(await server.client.get('key'), null)
  wire.thaw()
  t.equal(await answer, 'OK')
})

t.test('lead(): connects to another server', async (t) => {
  const { wire, client } = await wired(t)
  const other = await startRedis(t)
  await other.client.set('key', 'there')
  const closed = once(client, 'close')
  wire.lead(other.port)
  await closed
  await until(() => client.status === 'ready')
  t.equal(await client.get('key'), 'there')
})
