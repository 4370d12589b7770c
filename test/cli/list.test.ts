// `list` and `show`: what they tell of sessions, and what they keep to themselves.
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { run } from '../../lib/cli/program.js'
import { serializers } from '../../serializers/index.js'
import { until } from '../support/gate.js'
import { startRedis } from '../support/redis-server.js'
import { command, json, program, start } from './command.js'
import { newHandle, put, recordOf } from './records.js'
import { deploy, SECRET } from './service.js'

t.test('list: the living sessions, without data', async (t) => {
  const { client, url } = await startRedis(t)
  const { signIn } = await deploy(t, url, { serializer: 'msgpack' })
  const [{ browser, handle: before }, { handle }] = [await signIn(1), await signIn(2)]
  const after = (await browser.request('/move')).body
  await client.set(`session:${newHandle()}`, 'something else')
  await client.hset(`session:${newHandle()}`, 'a', 'hash')

  const listed = await json(url, ['list'])
  t.same(listed.map((line) => line.handle).sort(), [after, handle].sort())
  t.notSame(after, before)
  t.match(listed[0], { permanent: false, serializer: 'msgpack', schemaVersion: 0, bytes: Number })
  const text = await command(url, ['list'])
  t.equal(text.code, 0)
  t.match(text.stdout, /^session +age +unused +ends in +permanent +serializer +schema +size\n/)
  t.match(text.stdout, new RegExp(`^${handle} +\\d+ s +\\d+ s +2[34] h +msgpack +0 +\\d+ B$`, 'm'))
  for (const { stdout, stderr } of [text, await command(url, ['list', '--json'])]) {
    t.notMatch(stdout + stderr, SECRET)
    t.equal(stderr, '')
  }
})

t.test('list --user: by the index, which only the option user makes', async (t) => {
  const { url } = await startRedis(t)
  const { signIn } = await deploy(t, url)
  const [{ handle }, { browser }] = [await signIn(1), await signIn(2)]
  t.same(
    (await json(url, ['list', '--user', '1'])).map((line) => line.handle),
    [handle]
  )
  t.match((await command(url, ['list', '--user', '1'])).stdout, handle)
  await browser.request('/login/3')
  for (const args of [[], ['--user-key', 'userId']]) {
    const none = await command(url, ['list', '--user', '2', ...args])
    t.equal(none.stdout, '')
    t.match(none.stderr, /the index under session:user: has no session of this user.*the option user/)
  }
  t.match((await command(url, ['list', '--user', ''])).stderr, /is no user/)
})

t.test('list: pages have their head once, and lines of any number', async (t) => {
  const { client, url } = await startRedis(t)
  for (let number = 0; number < 600; number++) await put(client, { number }, { permanent: number % 2 === 0 })
  const { stdout } = await command(url, ['list'])
  const lines = stdout.trimEnd().split('\n')
  t.equal(lines.length, 601)
  t.equal(lines.filter((line) => line.startsWith('session ')).length, 1)
  t.equal(lines.filter((line) => / yes +json /.test(line)).length, 300)
})

t.test('list: ends quietly if nobody reads on', async (t) => {
  const { client, url } = await startRedis(t)
  for (let number = 0; number < 2_000; number++) await put(client, { number })
  const child = start(url, ['list', '--json'])
  const [stdout, stderr] = [child.stdout, child.stderr]
  let errors = ''
  stderr?.on('data', (chunk) => {
    errors += chunk
  })
  await once(stdout as NodeJS.ReadableStream, 'data')
  stdout?.destroy()
  const [code] = await once(child, 'close')
  t.same([code, errors], [0, ''])

  // In this process: a reader that is slow, and one that goes away while the command waits for it.
  for (const leaves of [false, true]) {
    const [output, errors] = [new PassThrough({ highWaterMark: 1 }), new PassThrough()]
    const ended = run(['list', '--json'], {
      stdin: new PassThrough(),
      stdout: output,
      stderr: errors,
      env: { REDIS_URL: url }
    })
    await until(() => output.writableNeedDrain)
    let lines = 0
    if (leaves) output.destroy(new Error('EPIPE'))
    else
      output.on('data', (line) => {
        if (String(line).endsWith('\n')) lines++
      })
    t.equal(await ended, 0)
    t.equal(errors.read(), null)
    if (!leaves) t.equal(lines, 2_000)
  }
})

t.test('list: a record may hold any bytes, and instants that no calendar has', async (t) => {
  const { client, url } = await startRedis(t)
  await put(client, {}, { createdAt: 2 ** 48 - 1, touchedAt: 0, idleTimeout: 2 ** 32 - 1, tag: 200 })
  const [line] = await json(url, ['list'])
  t.match(line, { serializer: 'tag 200', lastUsedAt: '1970-01-01T00:00:00.000Z' })
  t.match((await command(url, ['list'])).stdout, /tag 200/)
  const handle = await put(client, {}, { createdAt: 8.64e15 % 2 ** 48 })
  t.equal((await command(url, ['show', handle])).code, 0)
})

t.test('show: header, sizes, keys and types; values and bytes if they are asked for', async (t) => {
  const { url } = await startRedis(t)
  const { signIn } = await deploy(t, url)
  const { browser, handle } = await signIn(7)
  await browser.request('/count')
  const shown = await program(url, ['show', handle])
  t.equal(shown.code, 0)
  for (const line of [
    /^handle +[\w-]{43}$/m,
    /^serializer +json$/m,
    /^schemaVersion +0$/m,
    /^state +living$/m,
    /^commits +2$/m,
    /^idleTimeout +24 h$/m,
    /^payloadBytes +\d+ B \(\d+\)$/m,
    /^expiresIn +23 h$/m,
    /^userId +number$/m,
    /^name +string$/m
  ])
    t.match(shown.stdout, line)
  t.notMatch(shown.stdout, SECRET)
  t.match((await command(url, ['show', handle, '--values'])).stdout, `name: '${SECRET}'`)
  const { stdout } = await command(url, ['show', handle, '--bytes'])
  t.match(stdout, /^ {5}0 {2}f5020110 0{8} [\da-f ]+$/m)
  t.match(stdout, /^ {4}32 {2}[\da-f]{8}/m)

  const [facts] = await json(url, ['show', handle])
  t.match(facts, { handle, state: 'living', commits: 2, keys: [{ key: 'userId', type: 'number' }, {}, {}] })
  t.notMatch(JSON.stringify(facts), SECRET)
  t.notOk(facts && ('values' in facts || 'record' in facts))
  const [all] = await json(url, ['show', handle, '--values', '--bytes'])
  t.match(all, { values: { json: { name: SECRET } }, record: /^f502/ })
})

t.test('show: a handle may begin with a dash', async (t) => {
  const { client, url } = await startRedis(t)
  const handle = '-y'.padEnd(43, 'A')
  await client.set(`session:${handle}`, recordOf('{"a":1}').bytes, 'PX', 60_000)
  for (const args of [
    ['show', handle],
    ['show', handle, '--bytes'],
    ['show', '--bytes', '--', handle]
  ]) {
    t.match(
      await command(url, args),
      { code: 0, stdout: new RegExp(`^handle +${handle}$`, 'm') },
      args.join(' ')
    )
  }
  t.match(await command(url, ['list', '--user', handle]), { code: 0, stderr: /has no session of this user/ })
  t.match(await command(url, ['end', handle]), { code: 2, stderr: /pass --yes/ })
  t.match(await command(url, ['end', handle, '-y']), { code: 0, stdout: '1 session has ended\n' })
})

t.test('show: keeps terminal escapes of untrusted records off the terminal', async (t) => {
  const { client, url } = await startRedis(t)
  const evil = '\u001b[2J\u009b31m\u202e\u{e0001}'
  const handle = await put(client, { [evil]: evil, list: [{ [evil]: 1 }] })
  for (const args of [[], ['--values'], ['--json'], ['--values', '--json'], ['--bytes']]) {
    const { stdout } = await command(url, ['show', handle, ...args])
    t.notMatch(stdout.replaceAll('\n', ''), /\p{C}/u, args.join(' '))
  }
  t.match((await command(url, ['show', handle])).stdout, '\\u{1b}[2J')
  const [{ keys } = {}] = await json<{ keys: object[] }>(url, ['show', handle])
  t.match(keys, [{ key: evil }, {}], 'programs get the key as it is')
})

t.test('show: values of every type, and what a serializer of the application wrote', async (t) => {
  const { client, url } = await startRedis(t)
  await serializers.msgpack.load?.()
  const data = { when: new Date(0), map: new Map([['a', 1n]]), bytes: new Uint8Array(2) }
  const handle = await put(client, serializers.msgpack.encode(data) as Uint8Array, {
    tag: serializers.msgpack.tag
  })
  const { stdout } = await command(url, ['show', handle, '--values'])
  t.match(stdout, /^map +Map$/m)
  t.match(stdout, "Map(1) { 'a' => 1n }")
  const [facts] = await json(url, ['show', handle, '--values'])
  t.match(facts, { values: { json: { map: [['a', '1']] }, meta: {} } })

  const own = await put(client, Buffer.from('{"a":1}'), { tag: 77 })
  const path = new URL('./own-serializer.js', import.meta.url).pathname
  t.match((await command(url, ['show', own])).stdout, 'no serializer has its tag 77')
  t.match((await command(url, ['show', own, '--serializer', path])).stdout, /^serializer +own$/m)
})

t.test('show: what is no living session', async (t) => {
  const { client, url } = await startRedis(t)
  const { app, signIn } = await deploy(t, url)
  const { browser, handle } = await signIn(1)
  const next = (await browser.request('/move')).body
  t.match(await json(url, ['show', handle]), [{ state: 'tombstone', movedTo: next }])
  const moved = await command(url, ['show', handle, '--bytes'])
  t.equal(moved.code, 1)
  t.match(moved.stdout, new RegExp(`^movedTo +${next}$`, 'm'))
  t.match(moved.stdout, /^ {5}0 {2}f5/m)
  await app.sessions.end(next, { reason: 'stolen' })
  t.match((await command(url, ['show', next])).stdout, /^reason +stolen$/m)

  const missing = await command(url, ['show', newHandle()])
  t.equal(missing.code, 1)
  t.equal(missing.stdout, '')
  t.match(
    missing.stderr,
    /^error: no session has the handle [\w-]{43}: it has ended, or --prefix is another one\n$/
  )
  t.match(await command(url, ['show', 'short']), { code: 2, stderr: /pass its session\.id/ })

  const broken = newHandle()
  await client.set(`session:${broken}`, recordOf('').bytes.subarray(0, 20))
  t.match(await command(url, ['show', broken]), { code: 1, stdout: /^reason +its header is truncated$/m })
  t.match((await command(url, ['show', broken])).stdout, /^expiresIn +never$/m)
  const other = newHandle()
  await client.hset(`session:${other}`, 'a', 'hash')
  t.match(await json(url, ['show', other]), [
    { state: 'foreign', reason: 'its key holds another type than a string' }
  ])
  const damaged = await put(client, Buffer.from('{'))
  t.match(await command(url, ['show', damaged]), { code: 1, stdout: /cannot decode its payload/ })
})
