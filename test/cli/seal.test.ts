// Encrypted sessions on the command line: read with keys, sealed again, and decrypted.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isSealed } from '../../lib/records/record.js'
import { until } from '../support/gate.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'
import { command, type Ended } from './command.js'
import { newHandle, put, recordOf } from './records.js'
import { deploy } from './service.js'

const [OLD, NEW, OTHER] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte).toString('base64')) as [
  string,
  string,
  string
]

/** Runs a command with these keys. */
function withKeys(redis: RedisServer, keys: string, args: readonly string[]): Promise<Ended> {
  return command(redis.url, args, { env: { SESSION_ENCRYPTION_KEYS: keys } })
}

/** What `convert` has done, as it tells programs. */
async function converted(redis: RedisServer, keys: string, args: readonly string[]) {
  const { stdout } = await withKeys(redis, keys, ['convert', '--yes', '--json', ...args])
  return JSON.parse(stdout)
}

/** Ids of keys, 'clear' for what is not sealed, without tombstones. */
async function seals({ client }: RedisServer): Promise<string[]> {
  const found = new Set<string>()
  for (const name of await client.keys('session:*')) {
    if ((await client.type(name)) !== 'string') continue
    const record = (await client.getBuffer(name)) as Buffer
    if ((record.readUInt8(3) & 2) === 0)
      found.add(isSealed(record) ? record.toString('hex', 32, 40) : 'clear')
  }
  return [...found]
}

t.test('with the keys, commands read sealed sessions; without, they say why not', async (t) => {
  const redis = await startRedis(t)
  const { signIn } = await deploy(t, redis.url, { encryption: { keys: [OLD] }, user: 'userId' })
  const { browser, handle } = await signIn(7)
  const [shown, listed, counted] = await Promise.all(
    [['show', handle, '--values'], ['list'], ['stats', '--json']].map((args) =>
      withKeys(redis, ` ${NEW},\n${OLD}`, args)
    )
  )
  t.match(shown, { code: 0, stdout: /userId/ })
  t.match(listed, { code: 0, stdout: new RegExp(handle) })
  t.match(JSON.parse(counted?.stdout ?? ''), { living: 1, broken: 0 })
  t.match(await withKeys(redis, OLD, ['verify']), { code: 0 })
  t.match(await withKeys(redis, OTHER, ['verify']), {
    code: 1,
    stdout: /a key that is not in encryption\.keys/
  })
  t.match(await command(redis.url, ['verify']), { code: 1, stdout: /the option encryption is not set/ })
  const refused = await withKeys(redis, OTHER, ['convert', '--to', 'msgpack', '--yes'])
  t.match(refused, { code: 1, stdout: /left as they are +1/ })
  const file = join(t.testdir({}), 'keys')
  writeFileSync(file, `${NEW}\n${OLD}\n`)
  t.match(await command(redis.url, ['verify', '--keys-file', file]), { code: 0 })
  t.match(await browser.json('/who'), { userId: 7 })
  t.match(await withKeys(redis, OLD, ['end', handle, '--reason', 'left', '--yes']), { code: 0 })
  const mark = (await redis.client.getBuffer(`session:${handle}`)) as Buffer
  t.ok(isSealed(mark))
  t.notMatch(mark.toString('latin1'), 'left')
})

t.test(
  'convert --seal: seals what is left, beside a service that writes; nobody is signed out',
  async (t) => {
    const redis = await startRedis(t)
    const before = await deploy(t, redis.url)
    const people = await Promise.all([1, 2, 3].map(before.signIn))
    await redis.client.set(`session:${newHandle()}`, recordOf('', { moved: true }).bytes)
    const dry = await converted(redis, OLD, ['--seal', '--dry-run'])
    t.match(dry, { seal: true, dryRun: true, converted: 3, already: 0, left: 0 })
    t.same(await seals(redis), ['clear'])

    const service = await deploy(t, redis.url, { encryption: { keys: [OLD] } })
    const counting = { isOver: false, sent: 0 }
    const [first] = people
    const counts = (async () => {
      while (!counting.isOver) {
        await first?.browser.visit(service.app).request('/count')
        counting.sent++
      }
    })()
    await until(() => counting.sent > 0)
    t.match(await converted(redis, OLD, ['--seal']), { left: 0, ended: 1 })
    counting.isOver = true
    await counts
    t.match(await converted(redis, OLD, ['--seal']), { converted: 0, already: 3, ended: 1, left: 0 })
    t.notMatch(await seals(redis), 'clear')
    t.match(await converted(redis, `${NEW},${OLD}`, ['--seal']), { converted: 3, left: 0 })
    const [key, ...others] = await seals(redis)
    t.same(others, [], 'all by the newest key')
    const later = await deploy(t, redis.url, { encryption: { keys: [NEW], required: true } })
    for (const [index, { browser }] of people.entries()) {
      t.match(await browser.visit(later.app).json('/who'), { userId: index + 1 })
    }
    t.match(await first?.browser.json('/data'), { count: counting.sent }, 'no change is lost')

    t.match(await converted(redis, NEW, ['--to', 'msgpack']), { to: 'msgpack', converted: 3, left: 0 })
    t.same(await seals(redis), [key], 'what a command writes is sealed, if there are keys')
    t.match(await converted(redis, NEW, ['--unseal']), { seal: false, converted: 3, left: 0 })
    t.match(await converted(redis, NEW, ['--unseal']), { converted: 0, already: 3 })
    t.same(await seals(redis), ['clear'])
    const both = await converted(redis, NEW, ['--to', 'json', '--seal'])
    t.match(both, { to: 'json', seal: true, converted: 3 })
    for (const [index, { browser }] of people.entries()) {
      t.match(await browser.visit(later.app).json('/who'), { userId: index + 1 })
    }
  }
)

t.test('end: without the keys, a session that has moved is not reported as ended', async (t) => {
  const redis = await startRedis(t)
  const { signIn } = await deploy(t, redis.url, { encryption: { keys: [OLD], required: true } })
  const { browser, handle } = await signIn(7)
  await browser.request('/move')
  t.match(await command(redis.url, ['end', handle, '--yes']), {
    code: 1,
    stderr: /cannot be decoded: it is sealed, and the option encryption is not set/
  })
  t.match(await command(redis.url, ['end', '--all', '--yes', '--json']), { code: 0, stdout: /"ended":1/ })
  const again = await signIn(8)
  await again.browser.request('/move')
  t.match(await withKeys(redis, OLD, ['end', again.handle, '--yes', '--json']), { stdout: /"ended":1/ })
})

t.test('convert --seal: the question and the result say what is done', async (t) => {
  const redis = await startRedis(t)
  await put(redis.client, { a: 1 })
  const asked = await command(redis.url, ['convert', '--seal'], {
    env: { SESSION_ENCRYPTION_KEYS: OLD },
    isTerminal: true,
    answer: 'yes'
  })
  t.match(asked, {
    code: 0,
    stderr: /sealed by the newest key\? They stay signed in/,
    stdout: /^converted +1 /m
  })
  const again = await withKeys(redis, OLD, ['convert', '--seal', '--yes'])
  t.match(again.stdout, /^sealed by the newest key before +1$/m)
})

t.test('what cannot be used is misuse, and no message shows a key', async (t) => {
  const misuse: [string, string[], RegExp][] = [
    ['', ['convert', '--yes'], /pass --to, --seal or --unseal/],
    [
      '',
      ['convert', '--seal', '--yes'],
      /sealing needs keys: set SESSION_ENCRYPTION_KEYS, or pass --keys-file/
    ],
    ['', ['convert', '--unseal', '--yes'], /sealing needs keys/],
    [OLD, ['convert', '--seal', '--unseal', '--yes'], /'--unseal' cannot be used with option '--seal'/],
    [OLD, ['convert', '--unseal', '--seal', '--yes'], /'--unseal' cannot be used with option '--seal'/],
    ['c2VjcmV0', ['verify'], /option encryption\.keys\[0\]: has 6 bytes/],
    ['', ['verify', '--keys-file', '/nowhere/keys'], /--keys-file \/nowhere\/keys cannot be read \(ENOENT\)/]
  ]
  for (const [SESSION_ENCRYPTION_KEYS, args, message] of misuse) {
    const { code, stderr } = await command('redis://127.0.0.1:1', args, { env: { SESSION_ENCRYPTION_KEYS } })
    t.equal(code, 2, args.join(' '))
    t.match(stderr, message)
    t.notMatch(stderr, 'c2VjcmV0')
  }
})
