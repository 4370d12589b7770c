// The wire between the service and Redis: what it does to commands is what the history's faults are made of.
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

t.test('a lost answer is that of a command that was carried out', async (t) => {
  const { server, wire, client } = await wired(t)
  wire.fate = () => 'lose'
  await t.rejects(client.set('key', 'value'))
  t.equal(await server.client.get('key'), 'value')
  t.match(wire.counts, { lost: 1, cut: 0 })
})

t.test('what is cut off has not been carried out, and reads have no such fate', async (t) => {
  const { server, wire, client } = await wired(t)
  wire.fate = () => 'cut'
  await t.rejects(client.set('key', 'value'))
  t.equal(await server.client.get('key'), null)
  t.match(wire.counts, { lost: 0, cut: 1 })
  await until(() => client.status === 'ready')
  t.equal(await client.get('key'), null)
})

t.test('a late answer comes all the same, before those to what was asked later', async (t) => {
  const { wire, client } = await wired(t)
  const fates = [30, 'pass'] as const
  let turn = 0
  wire.fate = () => fates[turn++] ?? 'pass'
  const answers: unknown[] = []
  const keep = (answer: unknown) => answers.push(answer)
  await Promise.all([client.set('key', 'one').then(keep), client.get('key').then(keep)])
  t.same(answers, ['OK', 'one'])
})

t.test('what was sent while it was frozen arrives when it thaws', async (t) => {
  const { server, wire, client } = await wired(t)
  wire.freeze()
  const answer = client.set('key', 'value')
  t.equal(await server.client.get('key'), null)
  wire.thaw()
  t.equal(await answer, 'OK')
})

t.test('it leads to another server when it is told to', async (t) => {
  const { wire, client } = await wired(t)
  const other = await startRedis(t)
  await other.client.set('key', 'there')
  const closed = once(client, 'close')
  wire.lead(other.port)
  await closed
  await until(() => client.status === 'ready')
  t.equal(await client.get('key'), 'there')
})
