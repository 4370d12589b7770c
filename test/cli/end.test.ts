// `end`: as the application itself ends sessions, and only after somebody agreed.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startRedis } from '../support/redis-server.js'
import { command, json, program } from './command.js'
import { newHandle, put, recordOf } from './records.js'
import { deploy } from './service.js'

t.test('end: one session, with a reason that its browser is told', async (t) => {
  const { url } = await startRedis(t)
  const { app, signIn } = await deploy(t, url, { signals: true })
  app.get('/signal', async ({ session }) => {
    const { signal } = session
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve({ aborted: true }))
      if (signal.aborted) resolve({ aborted: true })
    })
  })
  const { browser, handle } = await signIn(1)
  const waiting = browser.json('/signal')
  const ended = await program(url, ['end', handle, '--yes'])
  t.same(ended, { code: 0, stdout: '1 session has ended\n', stderr: '' })
  t.same(await waiting, { aborted: true }, 'a live connection learns of it')
  t.same(await browser.json('/who'), { endedBecause: 'ended-by-administrator' })

  const again = await command(url, ['end', handle, '--yes'])
  t.match(again, { code: 1, stdout: '0 sessions have ended\n', stderr: /no session has this handle/ })
  const other = await signIn(1)
  const moved = (await other.browser.request('/move')).body
  t.same(
    await json(url, ['end', other.handle, '--reason', 'stolen', '-y']),
    [{ ended: 1 }],
    'where it has moved'
  )
  t.match((await command(url, ['show', moved])).stdout, /^reason +stolen$/m)
})

t.test('end: asks, and ends nothing without a yes', async (t) => {
  const { url } = await startRedis(t)
  const { signIn } = await deploy(t, url)
  const { browser, handle } = await signIn(1)
  const who = async () => (await browser.json<{ userId?: number }>('/who')).userId
  for (const args of [[handle], ['--user', '1'], ['--all']]) {
    t.match(await command(url, ['end', ...args]), { code: 2, stderr: /no terminal to ask.*--yes/ })
    for (const answer of ['', 'n', 'yesterday', undefined]) {
      const refused = await command(url, ['end', ...args], { isTerminal: true, answer })
      t.match(refused, { code: 1, stdout: '', stderr: /nothing was ended/ })
    }
    t.equal(await who(), 1)
  }
  t.match(
    (await command(url, ['end', '--all'], { isTerminal: true, answer: 'n' })).stderr,
    /every session under session: at 127\.0\.0\.1:\d+\?/
  )
  t.match(await command(url, ['end', handle], { isTerminal: true, answer: 'y' }), { code: 0 })
  t.equal(await who(), undefined)
})

t.test('end: what cannot be meant', async (t) => {
  const { url } = await startRedis(t)
  for (const args of [[], ['--all', '--user', '1'], [newHandle(), '--all']]) {
    t.match(await command(url, ['end', ...args, '--yes']), { code: 2, stderr: /say what to end/ })
  }
  t.match(await command(url, ['end', 'short', '--yes']), { code: 2, stderr: /needs the handle of a session/ })
  t.match(await command(url, ['end', '--all', '--reason', 'a\nb', '-y']), { code: 0 }, 'there is none to end')
  const { signIn } = await deploy(t, url)
  const { handle } = await signIn(1)
  t.match(await command(url, ['end', handle, '--reason', 'a\nb', '-y']), { code: 2, stderr: /reason/ })
})

t.test('end --user: all sessions of the user, and no other', async (t) => {
  const { client, url } = await startRedis(t)
  const { app, signIn } = await deploy(t, url)
  const [one, same, other] = [await signIn(1), await signIn(1), await signIn(2)]
  await same.browser.request('/move')
  t.same(await program(url, ['end', '--user', '1', '--yes']), {
    code: 0,
    stdout: '2 sessions have ended\n',
    stderr: ''
  })
  for (const { browser } of [one, same]) {
    t.same(await browser.json('/who'), { endedBecause: 'ended-by-administrator' })
  }
  t.match(await other.browser.json('/who'), { userId: 2 })
  t.equal((await app.sessions.of(1)).length, 0)
  t.match(await command(url, ['end', '--user', '1', '-y']), {
    code: 1,
    stderr: /the index under session:user:/
  })
  const login = await signIn(1)
  t.match(await login.browser.json('/who'), { userId: 1 }, 'a later login works')

  // A session that does not know that it has ended, such as one under way, stays out for as long as any session lives.
  const lives = await Promise.all((await client.keys('session:user:*')).map((key) => client.pttl(key)))
  t.ok(Math.max(...lives) > 400 * 86_400_000)
})

t.test('end --user: leaves a session alone that went to another user', async (t) => {
  const { url } = await startRedis(t)
  const { signIn } = await deploy(t, url)
  // This process does not keep the index.
  const without = await deploy(t, url, { user: undefined } as object)
  const { browser } = await signIn(1)
  browser.visit(without.app)
  await browser.request('/login/2')
  await command(url, ['end', '--user', '1', '--yes'])
  t.match(await browser.json('/who'), { userId: 2 })
  const kept = await signIn(3)
  kept.browser.visit(without.app)
  await kept.browser.request('/move')
  t.same(await json(url, ['end', '--user', '3', '--user-key', 'userId', '--yes']), [{ ended: 1 }])
  t.same(await kept.browser.json('/who'), { endedBecause: 'ended-by-administrator' })
})

t.test('end --all: everything under the prefix that is a session, and nothing else', async (t) => {
  const { client, url } = await startRedis(t)
  const { signIn } = await deploy(t, url)
  const browsers = (await Promise.all([1, 1, 2, 3].map(signIn))).map(({ browser }) => browser)
  for (let number = 0; number < 600; number++) await put(client, { number })
  const [text, hash, later] = [newHandle(), newHandle(), newHandle()]
  await client.set(`session:${text}`, '{"another":"library"}')
  await client.hset(`session:${hash}`, 'a', 'hash')
  await client.set(`session:${later}`, recordOf('').bytes.fill(9, 1, 2))
  const elsewhere = await put(client, {}, { prefix: 'other:' })
  const ended = await command(url, ['end', '--all', '--yes'], { isTerminal: true })
  t.match(ended, { code: 0, stdout: '605 sessions have ended\n' })
  for (const browser of browsers)
    t.same(await browser.json('/who'), { endedBecause: 'ended-by-administrator' })
  t.equal(await client.exists(`session:${text}`, `session:${hash}`, `other:${elsewhere}`), 3)
  t.match(
    (await command(url, ['show', later])).stdout,
    /^reason +ended-by-administrator$/m,
    'also a damaged record'
  )
  t.equal((await command(url, ['end', '--all', '--yes'])).stdout, '0 sessions have ended\n')
})

t.test('end --all: finds sessions that move meanwhile, and ends none that begins later', async (t) => {
  const { url } = await startRedis(t)
  const { app, signIn } = await deploy(t, url, { graceAfterRegenerate: 1 })
  const browsers = await Promise.all(
    Array.from({ length: 60 }, async (_, user) => (await signIn(user)).browser)
  )
  let isOver = false
  const moving = browsers.map(async (browser) => {
    // A browser that moved without a pause would leave thousands of tombstones.
    for (; !isOver; await sleep(20)) await browser.request('/move')
  })
  const { code } = await program(url, ['end', '--all', '--yes'])
  isOver = true
  await Promise.all(moving)
  t.equal(code, 0)
  for (const browser of browsers) t.notOk((await browser.json<{ userId?: number }>('/who')).userId)
  t.match(await (await signIn(1)).browser.json('/who'), { userId: 1 })
  await app.close()
})

t.test('end: --no-signals publishes nothing, for a user without that right', async (t) => {
  const { client, url, port } = await startRedis(t)
  const rules = ['on', '>pass', '~*', 'resetchannels', '+@all']
  await client.call('ACL', 'SETUSER', 'admin', ...rules)
  const limited = `redis://admin:pass@127.0.0.1:${port}`
  const handle = await put(client, {})
  t.match(await command(limited, ['end', handle, '-y']), { code: 1, stderr: /denies access.*NOPERM/ })
  t.match(await command(limited, ['end', handle, '-y', '--no-signals']), { code: 0 })
  t.notOk((await command(url, ['list'])).stdout)
})
