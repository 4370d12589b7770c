// `convert`: every session in another serializer, beside a service that reads and writes, and without a logout.
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { convert } from '../../lib/cli/convert.js'
import { openTarget, type Target } from '../../lib/cli/target.js'
import { Terminal } from '../../lib/cli/terminal.js'
import { type Header, openRecord } from '../../lib/records/record.js'
import { type SerializerName, serializers } from '../../serializers/index.js'
import { until } from '../support/gate.js'
import fc from '../support/properties.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'
import { command, json, program, start } from './command.js'
import { newHandle, put, recordOf } from './records.js'
import { deploy } from './service.js'

const names = Object.keys(serializers) as SerializerName[]

async function headerOf({ client }: RedisServer, handle: string): Promise<Header> {
  return openRecord((await client.getBuffer(`session:${handle}`)) ?? Buffer.alloc(0)).header
}

for (const from of names) {
  for (const to of names.filter((name) => name !== from)) {
    t.test(`convert: from ${from} to ${to}, everybody stays signed in`, async (t) => {
      const redis = await startRedis(t)
      const { signIn } = await deploy(t, redis.url, { serializer: from })
      const people = await Promise.all([1, 2, 3].map(signIn))
      const [result] = await json(redis.url, ['convert', '--to', to, '--yes'])
      t.match(result, {
        to,
        dryRun: false,
        converted: 3,
        already: 0,
        ended: 0,
        left: 0,
        before: Number,
        after: Number
      })
      for (const [index, { browser, handle }] of people.entries()) {
        t.equal((await headerOf(redis, handle)).tag, serializers[to].tag)
        t.match(await browser.json('/who'), { userId: index + 1 })
      }
      t.match(await json(redis.url, ['convert', '--to', to, '--yes']), [{ converted: 0, already: 3 }])
    })
  }
}

t.test('convert: asks, and a dry run writes nothing', async (t) => {
  const { client, commands, url } = await startRedis(t)
  for (let number = 0; number < 5; number++) await put(client, { number })
  await client.set(`session:${newHandle()}`, recordOf('', { moved: true }).bytes)
  t.match(await command(url, ['convert', '--to', 'msgpack']), { code: 2, stderr: /pass --yes/ })
  const refused = await command(url, ['convert', '--to', 'msgpack'], { isTerminal: true, answer: 'no' })
  t.match(refused, { code: 1, stderr: /by msgpack\? They stay signed in.*nothing was converted/s })
  await commands()
  const dry = await command(url, ['convert', '--to', 'msgpack', '--dry-run'])
  t.equal(dry.code, 0)
  t.match(dry.stdout, /^would be converted +5 {2}\d+ B → \d+ B$/m)
  t.match(dry.stdout, /^ended or moved +1$/m)
  t.same(
    Object.keys(await commands()).filter((name) => /eval|set/.test(name)),
    []
  )
  t.match(await json(url, ['convert', '--to', 'msgpack', '--dry-run']), [{ dryRun: true, converted: 5 }])
  const agreed = await command(url, ['convert', '--to', 'msgpack'], { isTerminal: true, answer: 'yes' })
  t.match(agreed, { code: 0, stdout: /^converted +5 /m })
  t.match(agreed.stderr, /converting.*of 6/s, 'a bar')
})

t.test('convert: is neither a use nor a change, and never alters when a session ends', async (t) => {
  const redis = await startRedis(t)
  const instant = fc.integer({ min: 0, max: 2 ** 48 - 1 })
  const header = fc.record({
    permanent: fc.boolean(),
    schemaVersion: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    createdAt: instant,
    touchedAt: instant,
    idleTimeout: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    counter: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    earlier: fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { maxLength: 8 })
  })
  const left = fc.integer({ min: 60_000, max: 400 * 86_400_000 })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(header, left), { minLength: 1, maxLength: 20 }), async (sessions) => {
      await redis.client.flushall()
      const handles = await Promise.all(
        sessions.map(([given, left]) => put(redis.client, { a: 1 }, { ...given, left }))
      )
      const endOf = async (handle: string) => Date.now() + (await redis.client.pttl(`session:${handle}`))
      const [before, ends] = [
        await Promise.all(handles.map((handle) => headerOf(redis, handle))),
        await Promise.all(handles.map(endOf))
      ]
      const startedAt = Date.now()
      t.match(await json(redis.url, ['convert', '--to', 'msgpack', '-y']), [{ converted: sessions.length }])
      // What the clocks and round trips of this test may add: never the time that a session has left.
      const slack = Date.now() - startedAt + 50
      for (const [index, handle] of handles.entries()) {
        const { counter, earlier, nonce, tag, ...kept } = await headerOf(redis, handle)
        const old = before[index] as Header
        const { counter: _1, earlier: _2, nonce: _3, tag: _4, ...expected } = old
        t.same(kept, expected)
        t.equal(counter, (old.counter + 1) >>> 0)
        t.same(earlier, [old.nonce, ...old.earlier].slice(0, 8))
        t.ok(
          Math.abs((await endOf(handle)) - (ends[index] ?? 0)) <= slack,
          'it ends when it would have ended'
        )
      }
    }),
    { numRuns: 10 }
  )
})

t.test('convert: loses no change of a service that writes at the same time', async (t) => {
  const redis = await startRedis(t)
  const services = [await deploy(t, redis.url), await deploy(t, redis.url, { serializer: 'superjson' })]
  const [service, other] = services
  const people = await Promise.all(Array.from({ length: 40 }, (_, user) => service?.signIn(user)))
  let isOver = false
  const writing = people.map(async (person, index) => {
    let count = 0
    for (; !isOver; count++) {
      const { app } = (count % 2 === 0 ? service : other) as (typeof services)[number]
      const answer = await person?.browser.visit(app).json<{ count: number }>('/count')
      if (answer?.count !== count + 1) t.fail(`${answer?.count} after ${count}`)
      // The others never stand still.
      if (index % 5 !== 0) await sleep(5)
    }
    return count
  })
  let [converted, left] = [0, 0]
  for (let round = 0; round < 20 || converted < 40; round++) {
    for (const to of ['msgpack', 'superjson', 'json']) {
      const [result] = await json<{ converted: number; left: number }>(redis.url, [
        'convert',
        '--to',
        to,
        '-y'
      ])
      converted += result?.converted ?? 0
      left += result?.left ?? 0
    }
  }
  isOver = true
  const counts = await Promise.all(writing)
  t.ok(converted >= 40, `${converted} conversions`)
  t.ok(left < converted, 'those that never stand still stay as they are')
  for (const [index, person] of people.entries()) {
    t.match(await person?.browser.json('/data'), { userId: index, count: counts[index] })
  }
})

t.test('convert: is killed halfway, and goes on from there', async (t) => {
  const redis = await startRedis(t)
  const handles: string[] = []
  for (let number = 0; number < 1_000; number++) handles.push(await put(redis.client, { number }))
  const isConverted = async (handle: string) =>
    (await headerOf(redis, handle)).tag === serializers.msgpack.tag
  const converted = async () => (await Promise.all(handles.map(isConverted))).filter(Boolean).length
  const child = start(redis.url, ['convert', '--to', 'msgpack', '--yes', '--rate', '500'])
  await until(async () => (await converted()) > 100)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const half = await converted()
  t.ok(half > 100 && half < 1_000, `${half} of 1,000`)
  const rest = await program(redis.url, ['convert', '--to', 'msgpack', '--yes'])
  t.match(rest, { code: 0, stderr: '' })
  t.match(rest.stdout, new RegExp(`^converted +${1_000 - half} `, 'm'))
  t.match(rest.stdout, new RegExp(`^by msgpack before +${half}$`, 'm'))
  const records = await redis.client.mgetBuffer(handles.map((handle) => `session:${handle}`))
  t.same(
    records.map((record) => serializers.msgpack.decode(openRecord(record ?? Buffer.alloc(0)).payload)),
    handles.map((_, number) => ({ number }))
  )
})

t.test('convert: leaves what it cannot convert as it is, and says why', async (t) => {
  const { client, url } = await startRedis(t)
  await serializers.msgpack.load?.()
  const bytes = (data: object) => serializers.msgpack.encode({ ...data }) as Uint8Array
  const { tag } = serializers.msgpack
  const evil = '\u001b[2J'
  const map = await put(
    client,
    new Uint8Array(bytes({ cart: new Map([['a', 1]]), [evil]: new Map(), ok: 1 })),
    { tag }
  )
  const damaged = await put(client, Buffer.from('{"a":'), {})
  const unknown = await put(client, Buffer.from('x'), { tag: 99 })
  const broken = newHandle()
  await client.set(`session:${broken}`, recordOf('').bytes.subarray(0, 9))
  const forever = await put(client, new Uint8Array(bytes({ a: 1 })), { tag })
  await client.persist(`session:${forever}`)
  const before = await Promise.all(
    [map, damaged, unknown, broken, forever].map((handle) => client.getBuffer(`session:${handle}`))
  )
  const { code, stdout } = await command(url, [
    'convert',
    '--to',
    'superjson',
    '--yes',
    '--max-record-bytes',
    '64'
  ])
  t.equal(code, 1)
  t.notMatch(stdout.replaceAll('\n', ''), /\p{C}/u)
  const converted = await command(url, ['convert', '--to', 'json', '--yes'])
  t.equal(converted.code, 1)
  t.match(converted.stdout, /^left as they are +4$/m)
  t.match(converted.stdout, new RegExp(`^${map} {2}json cannot keep cart, \\\\u\\{1b\\}\\[2J$`, 'm'))
  t.match(converted.stdout, new RegExp(`^${unknown} {2}no serializer has its tag 99$`, 'm'))
  t.match(converted.stdout, new RegExp(`^${broken} {2}its header is truncated$`, 'm'))
  t.match(converted.stdout, new RegExp(`^${forever} {2}its key never expires`, 'm'))
  const after = await Promise.all(
    [map, damaged, unknown, broken, forever].map((handle) => client.getBuffer(`session:${handle}`))
  )
  t.same(after, before)
  for (let number = 0; number < 40; number++) await put(client, Buffer.from('{'), { tag })
  const many = await command(url, ['convert', '--to', 'json', '--yes'])
  t.match(many.stdout, /^and 24 more$/m)
  t.equal(many.stdout.trimEnd().split('\n').length, 4 + 20 + 1, 'its output does not grow')
})

t.test('convert: to and from a serializer of the application', async (t) => {
  const redis = await startRedis(t)
  const path = new URL('./own-serializer.js', import.meta.url).pathname
  const handle = await put(redis.client, { a: 1 })
  t.match(await json(redis.url, ['convert', '--to', path, '-y']), [{ to: 'own', converted: 1 }])
  t.equal((await headerOf(redis, handle)).tag, 77)
  t.match(await json(redis.url, ['convert', '--to', 'msgpack', '-y']), [{ converted: 0, left: 1 }])
  t.match(await json(redis.url, ['convert', '--to', 'msgpack', '--serializer', path, '-y']), [
    { converted: 1 }
  ])
  for (const bad of ['./missing.js', new URL('./command.js', import.meta.url).pathname]) {
    t.match(await command(redis.url, ['convert', '--to', bad, '-y']), {
      code: 2,
      stderr: /cannot be loaded|exports no serializer/
    })
  }
})

/** Converts by this target, whose store or client a test has altered. */
async function convertBy(target: Target, rate?: number): Promise<string> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const terminal = new Terminal({ stdin: new PassThrough(), stdout, stderr, env: {} }, true)
  const output = text(stdout)
  await convert(target, terminal, { to: 'msgpack', yes: true, ...(rate !== undefined && { rate }) })
  stdout.end()
  return output
}

async function openFor(t: Test, url: string): Promise<Target> {
  const options = { redis: [url], maxRecordBytes: 65_536, timeout: 10_000, signals: true }
  const target = await openTarget(options, {}, { writer: 'msgpack' })
  t.teardown(() => target.close())
  return target
}

// A real Redis would have to change or remove the session between two commands of the converter.
t.test('convert: a session that ends or changes between its read and its write', async (t) => {
  const { client, url } = await startRedis(t)
  const target = await openFor(t, url)
  const { leftOf } = target
  await put(client, {})
  target.leftOf = async (handle) => {
    await client.del(`session:${handle}`)
    return leftOf(handle)
  }
  t.match(await convertBy(target), '"ended":1')
  target.leftOf = async (handle) => {
    const left = await leftOf(handle)
    await client.del(`session:${handle}`)
    return left
  }
  await put(client, {})
  t.match(await convertBy(target), '"ended":1')
  t.equal(await client.dbsize(), 0, 'it is not back')

  let tries = 0
  target.leftOf = async (handle) => {
    tries++
    await client.set(`session:${handle}`, recordOf('{"changed":true}').bytes, 'PX', 60_000)
    return leftOf(handle)
  }
  await put(client, {})
  t.match(await convertBy(target), /"left":1.*it was changed before each of 20 tries/)
  t.equal(tries, 20)
})

t.test('convert: writes no more than --rate allows at once', async (t) => {
  const { client, url } = await startRedis(t)
  const target = await openFor(t, url)
  let [running, most] = [0, 0]
  const { leftOf } = target
  target.leftOf = async (handle) => {
    most = Math.max(most, ++running)
    await sleep(1)
    running--
    return leftOf(handle)
  }
  for (let number = 0; number < 50; number++) await put(client, { number })
  const startedAt = performance.now()
  t.match(await convertBy(target, 100), '"converted":50')
  t.equal(most, 10)
  t.ok(performance.now() - startedAt >= 450, 'no machine is too slow for a lower bound')
})
