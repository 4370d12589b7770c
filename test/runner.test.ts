// How the tests themselves run: no server outlives them, no missing program goes unexplained, nothing is miscounted.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'

const TSX = createRequire(import.meta.url).resolve('tsx')
const RUNNER = resolve('scripts/test.ts')

interface Server {
  pid: number
  dir: string
}

/** A program in TypeScript that runs here, without what this run of tests has put into the environment. */
function run(t: Test, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): ChildProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(TAP|NODE_|_TAPJS)/.test(name))
  const child = spawn(process.execPath, [`--import=${TSX}`, ...args], {
    cwd: options.cwd ?? process.cwd(),
    env: { ...Object.fromEntries(inherited), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true
  })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

async function result(child: ChildProcess) {
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('no output')
  const [out, err, [code]] = await Promise.all([text(stdout), text(stderr), once(child, 'close')])
  return { out, err, code, lastLine: out.trimEnd().split('\n').at(-1) }
}

/** A folder with these test files, in which the runner can run. */
function project(t: Test, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'session-runner-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  // What tap has built for these plugins takes seconds to build again.
  mkdirSync(join(folder, '.tap'))
  symlinkSync(resolve('.tap/plugins'), join(folder, '.tap/plugins'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const rc = readFileSync('.taprc', 'utf8').replace(/^(include|coverage-map):.*\n( .*\n)*/gm, '')
  writeFileSync(join(folder, '.taprc'), rc)
  for (const [name, source] of Object.entries(files)) writeFileSync(join(folder, name), source)
  return folder
}

/** A program that starts a server, writes to this file which one, and never ends. */
function serving(file: string): string {
  return `
    import { writeFileSync } from 'node:fs'
    import t from 'tap'
    import { startRedis } from ${JSON.stringify(resolve('test/support/redis-server.ts'))}
    t.test('serves', async (t) => {
      const { client } = await startRedis(t)
      const pid = Number(/process_id:(\\d+)/.exec(await client.info('server'))[1])
      const dir = JSON.stringify(await client.config('GET', 'dir')).match(/[^"]*session-redis[^"]*/)[0]
      writeFileSync(${JSON.stringify(file)}, JSON.stringify({ pid, dir }))
      await new Promise((resolve) => setTimeout(resolve, 100_000))
    })
  `
}

async function serverOf(file: string): Promise<Server> {
  while (!existsSync(file) || readFileSync(file, 'utf8') === '') await sleep(20)
  return JSON.parse(readFileSync(file, 'utf8'))
}

async function isGone({ pid, dir }: Server): Promise<boolean> {
  while (isAlive(pid) || existsSync(dir)) await sleep(20)
  return true
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
  t.test(`a server ends with its test process, also by ${signal}, and its folder with it`, async (t) => {
    const folder = project(t, { 'serve.ts': serving('server.json') })
    const child = run(t, ['serve.ts'], { cwd: folder })
    const exit = once(child, 'exit')
    const server = await serverOf(join(folder, 'server.json'))
    t.ok(isAlive(server.pid))
    child.kill(signal)
    await exit
    t.ok(await isGone(server))
  })
}

t.test('Ctrl-C ends the whole run', async (t) => {
  const folder = project(t, { 'serve.test.ts': serving('server.json') })
  const child = run(t, [RUNNER, 'serve.test.ts'], { cwd: folder })
  const ending = result(child)
  const server = await serverOf(join(folder, 'server.json'))
  child.kill('SIGINT')
  const { code } = await ending
  t.not(code, 0)
  t.ok(await isGone(server))
})

t.test(
  'assertions are counted once each, at whatever depth, and what ends early counts as failed',
  async (t) => {
    // Test files of a project of their own, written to a folder and run from there: they are what is counted.
    const folder = project(t, {
      'passing.test.ts': `import t from 'tap'; import './covered.js'; t.pass(); t.pass()`,
      'covered.js': 'export const covered = true',
      'failing.test.ts': `import t from 'tap'; t.pass(); t.fail(); t.test('inside', async (t) => t.fail())`,
      'skipping.test.ts': `import t from 'tap'
      t.pass('left out', { skip: true }); t.fail('later', { todo: true }); t.test('empty', { skip: true }, () => {})`,
      'nested.test.ts': `import t from 'tap'
      t.test('a', async (t) => { t.pass(); await t.test('b', async (t) => { t.pass(); t.pass() }); t.pass() })
      t.test('c', (t) => { t.plan(1); t.pass() })`,
      'crashing.test.ts': `import t from 'tap'; t.pass(); process.exit(3)`,
      'unplanned.test.ts': `import t from 'tap'; t.plan(2); t.pass()`,
      'throwing.test.ts': `import t from 'tap'; t.pass(); throw new Error('thrown')`
    })
    const files = readdirSync(folder).filter((name) => name.endsWith('.test.ts'))
    const { code, lastLine } = await result(run(t, [RUNNER, ...files], { cwd: folder }))
    t.equal(lastLine, '11 passed, 5 failed, 3 skipped')
    t.equal(code, 1)
    const good = await result(run(t, [RUNNER, 'passing.test.ts', 'nested.test.ts'], { cwd: folder }))
    t.equal(good.lastLine, '7 passed, 0 failed')
    t.equal(good.code, 0)
  }
)

t.test('a REDIS_SERVER that is not there is named in one sentence', async (t) => {
  for (const name of ['/nowhere/redis-server', 'no-such-server', './lib', resolve('package.json')]) {
    const { code, out, err } = await result(run(t, [RUNNER], { env: { REDIS_SERVER: name } }))
    t.equal(out, '')
    t.equal(err, `REDIS_SERVER names ${name}, which is no program that can be run.\n`)
    t.equal(code, 1)
  }
})

t.test('without a server and without a way to install one, a sentence says what to install', async (t) => {
  const { code, out, err } = await result(run(t, [RUNNER], { env: { REDIS_SERVER: '', PATH: '' } }))
  t.equal(out, '')
  t.equal(
    err,
    'The tests need a Redis server: install redis-server or valkey-server, or name its binary in REDIS_SERVER.\n'
  )
  t.equal(code, 1)
})

t.test('a server that does not start is an error at once', async (t) => {
  const source = `
    import t from 'tap'
    import { startRedis } from ${JSON.stringify(resolve('test/support/redis-server.ts'))}
    t.test('starts', async (t) => { await startRedis(t, '--no-such-setting', 'x') })
  `
  const folder = project(t, { 'start.ts': source })
  const { out } = await result(run(t, ['start.ts'], { cwd: folder }))
  t.match(out, /redis-server did not start|valkey-server did not start/)
})
