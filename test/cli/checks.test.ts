// `verify` and `doctor`: what is wrong with records, and with Redis.
import { readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { doctor } from '../../lib/cli/doctor.js'
import { openTarget } from '../../lib/cli/target.js'
import { Terminal } from '../../lib/cli/terminal.js'
import { serializers } from '../../serializers/index.js'
import { startCluster } from '../support/cluster.js'
import { startRedis } from '../support/redis-server.js'
import { command, json, program } from './command.js'
import { newHandle, put, recordOf } from './records.js'

interface Findings {
  healthy: boolean
  findings: { what: string; state: string; detail: string }[]
}

t.test('verify: lists the records that cannot be decoded', async (t) => {
  const { client, url } = await startRedis(t)
  t.match(await program(url, ['verify']), { code: 0, stdout: '0 records: all of them decode\n', stderr: '' })
  const good = await put(client, { a: 1 })
  await client.set(`session:${newHandle()}`, recordOf('', { moved: true }).bytes)
  const { tag } = serializers.msgpack
  const bad = {
    damaged: await put(client, Buffer.from('{"a":')),
    lengthy: await put(client, Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]), { tag }),
    large: await put(client, { a: 'x'.repeat(70_000) }),
    unknown: await put(client, {}, { tag: 99 }),
    text: newHandle()
  }
  await client.set(`session:${bad.text}`, 'a text')
  const { code, stdout } = await command(url, ['verify'], { isTerminal: true })
  t.equal(code, 1)
  t.match(stdout, '7 records: 5 cannot be decoded\n')
  t.notMatch(stdout, good)
  t.match(stdout, new RegExp(`^${bad.damaged} {2}serializer json cannot decode its payload`, 'm'))
  t.match(stdout, new RegExp(`^${bad.lengthy} {2}serializer msgpack cannot decode its payload`, 'm'))
  t.match(stdout, new RegExp(`^${bad.large} {2}it has \\d+ bytes, maxRecordBytes is 65536`, 'm'))
  t.match(stdout, new RegExp(`^${bad.unknown} {2}no serializer has its tag 99`, 'm'))
  t.match(stdout, new RegExp(`^${bad.text} {2}it is not a record of this package`, 'm'))

  const lines = await json(url, ['verify', '--max-record-bytes', '100000'])
  t.same(lines.at(-1), { checked: 7, undecodable: 4 })
  t.same(
    new Set(lines.slice(0, -1).map(({ handle }) => handle)),
    new Set(Object.values(bad).filter((handle) => handle !== bad.large))
  )
})

t.test('doctor: a Redis that can keep sessions', async (t) => {
  const { client, url, port } = await startRedis(t)
  const { code, stdout } = await program(url, ['doctor'])
  t.equal(code, 0)
  for (const line of [
    /^✓ {2}records +can be read and written$/m,
    /^✓ {2}list +keys can be listed \(SCAN\)$/m,
    /^✓ {2}publish +/m,
    /^✓ {2}users +/m,
    new RegExp(`^✓ {2}server +(Redis|Valkey|Redict) [\\d.]+ at 127.0.0.1:${port}$`, 'm'),
    /^✓ {2}eviction +noeviction$/m,
    /^✓ {2}latency +[\d.]+ ms, at most [\d.]+ ms in 50 round trips$/m,
    /^✓ {2}clock +differs by less than \d+ s$/m
  ])
    t.match(stdout, line)
  const left = await Promise.all((await client.keys('*')).map((key) => client.pttl(key)))
  t.ok(
    left.every((milliseconds) => milliseconds <= 5_000),
    'it leaves nothing behind that stays'
  )
})

t.test('doctor: what is wrong, and what only some applications need', async (t) => {
  const { client, url, port } = await startRedis(t)
  await client.config('SET', 'maxmemory-policy', 'allkeys-lru')
  t.match(await command(url, ['doctor']), {
    code: 1,
    stdout: /^! {2}eviction +allkeys-lru: set maxmemory-policy noeviction$/m
  })
  await client.config('SET', 'maxmemory-policy', 'noeviction')

  const page = readFileSync('docs/operations.md', 'utf8')
  const [, basic = ''] = /ACL SETUSER sessions .*(-@all .*)/.exec(page) ?? []
  t.match(basic, 'evalsha')
  const least = [
    'on',
    '>pass',
    '~session:*',
    'resetchannels',
    ...basic.split(' '),
    '-info',
    '-time',
    '-ping',
    '-scan'
  ]
  await client.call('ACL', 'SETUSER', 'least', ...least)
  const [limited] = await json<Findings>(`redis://least:pass@127.0.0.1:${port}`, ['doctor'])
  t.equal(limited?.healthy, true)
  t.same(
    limited?.findings.map(({ state, what }) => `${what} ${state}`),
    ['records ok', 'list note', 'publish note', 'users note', 'server note', 'latency note', 'clock note']
  )
  const hint = limited?.findings.map(({ detail }) => detail).join('\n') ?? ''
  t.match(hint, /denies access.*allow INFO.*allow PING.*allow TIME/s)

  await client.call('ACL', 'SETUSER', 'reader', 'on', '>pass', '~*', '-@all', '+@read', '+info')
  const [reader] = await json<Findings>(`redis://reader:pass@127.0.0.1:${port}`, ['doctor'])
  t.match(reader, {
    healthy: false,
    findings: [{ what: 'records', state: 'problem', detail: /denies access/ }]
  })
  t.equal(reader?.findings.length, 1)
  const down = await command('redis://127.0.0.1:1', ['doctor', '--timeout', '500'])
  t.match(down, { code: 1, stdout: /^✗ {2}records +.*127\.0\.0\.1:1 failed with ECONNREFUSED/m, stderr: '' })
})

t.test('doctor: a Redis that does not answer', async (t) => {
  const { client, url } = await startRedis(t)
  await client.client('PAUSE', 60_000, 'ALL')
  const frozen = await command(url, ['doctor', '--timeout', '200'])
  t.match(frozen, { code: 1, stdout: /^✗ {2}records +.*records failed with no answer within 200 ms/m })
  client.disconnect()
})

t.test('rights: all commands work with those that docs/operations.md names', async (t) => {
  const { client, port } = await startRedis(t)
  const page = readFileSync('docs/operations.md', 'utf8')
  const [, basic = ''] = /ACL SETUSER sessions .*(-@all .*)/.exec(page) ?? []
  const [, row = ''] = /^\| the \[command line\]\(command-line\.md\) \|(.*)\|$/m.exec(page) ?? []
  const rights = row.match(/[+&][a-z:]+/g) ?? []
  t.same(rights, ['+scan', '+pttl', '+exists', '+publish', '&session:ended'])
  const rules = ['on', '>pass', '~session:*', 'resetchannels', ...basic.split(' '), ...rights]
  await client.call('ACL', 'SETUSER', 'ops', ...rules)
  const url = `redis://ops:pass@127.0.0.1:${port}`
  await client.set('sess:1', '{"cookie":{},"name":"Ada"}')
  const handle = await put(client, { a: 1 })
  for (const args of [['list'], ['show', handle], ['verify'], ['convert', '--to', 'msgpack', '-y']]) {
    t.equal((await command(url, args)).code, 0, args.join(' '))
  }
  t.match(await json(url, ['stats']), [{ living: 1, foreign: [{ refused: { denied: 1 } }] }])
  t.equal((await command(url, ['end', '--all', '-y'])).code, 0)
})

t.test('doctor: every primary of a cluster', async (t) => {
  const { nodes, primaries } = await startCluster(t)
  const [first, second] = nodes
  await primaries[1]?.client.config('SET', 'maxmemory-policy', 'volatile-ttl')
  const urls = [first, second].flatMap((node) => ['--redis', `redis://${node?.host}:${node?.port}`])
  const [found] = await json<Findings>('', ['doctor', '--cluster', ...urls])
  t.match(found, { healthy: false })
  const servers = found?.findings
    .filter(({ what }) => what === 'server')
    .map(({ detail }) => detail.replace(/.* at /, ''))
  t.same(servers?.sort(), primaries.map(({ port }) => `127.0.0.1:${port}`).sort())
  t.same(
    found?.findings.flatMap(({ state, what }) => (state === 'ok' ? [] : [`${what} ${state}`])),
    ['eviction warning']
  )
})

// No test can move the clock of a real Redis, or make it an old one.
t.test('doctor: a clock that differs, and an old server', async (t) => {
  const { url } = await startRedis(t)
  const target = await openTarget(
    { redis: [url], maxRecordBytes: 65_536, timeout: 10_000, signals: false },
    {}
  )
  t.teardown(() => target.close())
  const answers = {
    time: async () => [Date.now() / 1_000 - 90, 0],
    info: async () => 'redis_version:6.0.16\r\nmaxmemory_policy:noeviction\r\n'
  }
  await target.store.ready('read')
  Object.assign(target.client, answers)
  const stdout = new PassThrough()
  const terminal = new Terminal(
    { stdin: new PassThrough(), stdout, stderr: new PassThrough(), env: {} },
    false
  )
  const output = text(stdout)
  t.equal(await doctor(target, terminal), 1)
  stdout.end()
  const said = await output
  t.match(said, /^! {2}clock +differs by (8|9)\d s: synchronize the clocks$/m)
  t.match(said, /^! {2}server +Redis 6\.0\.16 at .* is older than 6\.2/m)
})
