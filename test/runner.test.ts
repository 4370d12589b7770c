// The test runner: no server outlives the tests, a missing program is explained, no failure is hidden.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { provideRedisServer } from '../scripts/redis-binary.js'
import { countedLine, outcomeOf } from '../scripts/tally.js'
import { until } from './support/gate.js'
import { startRedis } from './support/redis-server.js'

const RUNNER = fileURLToPath(new URL('../scripts/test.js', import.meta.url))

interface Server {
  pid: number
  dir: string
}

/** Runs a program without the environment variables that this test run has set. */
function run(t: Test, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): ChildProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(TAP|NODE_|_TAPJS)/.test(name))
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
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

/** A folder in which the runner finds this test, with a program in place of the coverage report. */
function project(t: Test, source: string, report = ''): string {
  return t.testdir({
    'package.json': '{ "type": "module" }',
    node_modules: { '.bin': { tap: report, 'package.json': '{ "type": "commonjs" }' } },
    examples: { notes: { public: {} } },
    lib: {},
    contracts: {},
    serializers: {},
    benchmarks: {},
    scripts: Object.fromEntries(
      ['lean-tap.ts', 'record-coverage.ts'].map((file) => [file, readFileSync(join('scripts', file), 'utf8')])
    ),
    test: { 'some.test.ts': source },
    '.tap': { build: { node_modules: t.fixture('symlink', resolve('.tap/build/node_modules')) } }
  })
}

/** A program that starts a server, writes its pid and folder to a file, and never ends. */
const SERVING = `
  import { renameSync, writeFileSync } from 'node:fs'
  import { startRedis } from ${JSON.stringify(fileURLToPath(new URL('support/redis-server.js', import.meta.url)))}
  const { client } = await startRedis({ teardown() {} })
  const pid = Number(/process_id:(\\d+)/.exec(await client.info('server'))[1])
  const dir = JSON.stringify(await client.config('GET', 'dir')).match(/[^"]*session-redis[^"]*/)[0]
  writeFileSync('written.json', JSON.stringify({ pid, dir }))
  renameSync('written.json', 'server.json')
`

async function serverOf(folder: string): Promise<Server> {
  const file = join(folder, 'server.json')
  await until(() => existsSync(file))
  return JSON.parse(readFileSync(file, 'utf8'))
}

const isGone = ({ pid, dir }: Server) => until(() => !isAlive(pid) && !existsSync(dir))

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

t.test('startRedis(): the server and its folder go with the test process, however it ends', async (t) => {
  const folder = t.testdir({ 'package.json': '{ "type": "module" }', 'serve.js': SERVING })
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  const child = run(t, ['serve.js'], { cwd: folder })
  const server = await serverOf(folder)
  t.ok(isAlive(server.pid))
  child.kill('SIGKILL')
  await t.resolves(isGone(server))
})

t.test('outcomeOf(): never says that nothing failed if something did', (t) => {
  const passed = '    # { total: 3, pass: 2, fail: 1 }\n# { total: 2, pass: 2 }\n# time=1ms\n'
  const failed = '# { total: 9, pass: 5, fail: 2, todo: 1, skip: 1 }\n# time=1ms\n'
  t.same(outcomeOf(passed, true), { passed: 2, failed: 0, skipped: 0 })
  t.same(outcomeOf(failed, false), { passed: 5, failed: 2, skipped: 2 })
  t.same(outcomeOf(passed, false), { passed: 2, failed: 1, skipped: 0 }, 'the process failed')
  t.same(outcomeOf('ok 1 - interrupted', true), { passed: 0, failed: 1, skipped: 0 }, 'no totals')
  t.end()
})

t.test('countedLine(): adds the outcomes of all processes', (t) => {
  const outcome = { passed: 2, failed: 1, skipped: 0 }
  t.equal(countedLine([outcome, outcome]), '4 passed, 2 failed')
  t.equal(countedLine([{ ...outcome, skipped: 3 }]), '2 passed, 1 failed, 3 skipped')
  t.end()
})

t.test('npm test: ends with the counted line and its exit code', async (t) => {
  for (const code of [0, 1]) {
    const folder = project(t, `console.log('# { total: 2, pass: 2 }'); process.exitCode = ${code}`)
    const ended = await result(run(t, [RUNNER, 'test/some.test.ts'], { cwd: folder }))
    t.equal(ended.lastLine, `2 passed, ${code} failed`)
    t.equal(ended.code, code)
  }
})

t.test('npm test: runs every test, and fails if the coverage does', async (t) => {
  for (const code of [0, 1]) {
    const folder = project(t, "console.log('# { total: 2, pass: 2 }')", `process.exitCode = ${code}`)
    const { lastLine, out, code: ended } = await result(run(t, [RUNNER], { cwd: folder }))
    t.equal(lastLine, `2 passed, ${code} failed`)
    t.equal(ended, code)
    t.match(out, /^ok test\/some.test.ts: 2 passed, 0 failed\n/)
  }
})

t.test('npm test: a test that fails shows its output', async (t) => {
  const folder = project(t, "console.log('not ok 1 - because'); process.kill(process.pid, 'SIGKILL')")
  const { out } = await result(run(t, [RUNNER, 'test/some.test.ts'], { cwd: folder }))
  t.equal(out, 'not ok 1 - because\n\nnot ok test/some.test.ts: 0 passed, 1 failed\n0 passed, 1 failed\n')
})

t.test('npm test: a test that fails shows positions in the sources', async (t) => {
  const source = "import t from 'tap'\ninterface Erased {}\nt.equal(\n  1, 2, 'because')"
  const { out } = await result(run(t, [RUNNER, 'test/some.test.ts'], { cwd: project(t, source) }))
  t.match(out, /not ok 1 - because\n.* test\/some\.test\.ts:3:3\n/s)
  t.notMatch(out, 'import t from', 'no compiled lines')
})

t.test('npm test: a position in a file that is not there stays as it is', async (t) => {
  const said = '.tap/build/test/none.js:1:2'
  const source = `console.log('${said}'); console.error('${said}'); process.exitCode = 1`
  const ended = await result(run(t, [RUNNER, 'test/some.test.ts'], { cwd: project(t, source) }))
  t.match(ended.out, said)
  t.match(ended.err, said)
  t.equal(ended.lastLine, '0 passed, 1 failed')
})

t.test('npm test: what cannot be compiled fails', async (t) => {
  const { code, err } = await result(run(t, [RUNNER], { cwd: project(t, 'let 1') }))
  t.match(err, /some\.test\.ts:1:4: error/i)
  t.equal(code, 1)
})

t.test('npm test: the tests end with the runner', async (t) => {
  const folder = project(
    t,
    "import fs from 'node:fs'; fs.writeFileSync('pid', String(process.pid)); setInterval(() => {}, 1_000)"
  )
  const runner = run(t, [RUNNER, 'test/some.test.ts'], { cwd: folder })
  const pid = () => Number(readFileSync(join(folder, 'pid'), 'utf8'))
  await until(() => existsSync(join(folder, 'pid')) && pid() > 0)
  runner.kill('SIGTERM')
  await t.resolves(until(() => !isAlive(pid())))
})

t.test('npm test: a run that cannot start says why in one sentence', async (t) => {
  const { code, out, err } = await result(
    run(t, [RUNNER], { env: { REDIS_SERVER: '/nowhere/redis-server' } })
  )
  t.equal(out, '')
  t.equal(err, 'REDIS_SERVER names /nowhere/redis-server, which is no program that can be run.\n')
  t.equal(code, 1)
})

t.test('provideRedisServer()', async (t) => {
  const { PATH, REDIS_SERVER, XDG_CACHE_HOME } = process.env
  t.teardown(() => {
    for (const [name, value] of Object.entries({ PATH, REDIS_SERVER, XDG_CACHE_HOME })) {
      // Assigning undefined to an environment variable would set the text `undefined`.
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
  // This machine may have unpacked a server earlier.
  process.env.XDG_CACHE_HOME = t.testdir()

  t.test('a REDIS_SERVER that does not exist is an error that names it', (t) => {
    for (const name of ['/nowhere/redis-server', 'no-such-server', './lib', resolve('package.json')]) {
      process.env.REDIS_SERVER = name
      t.throws(provideRedisServer, {
        message: `REDIS_SERVER names ${name}, which is no program that can be run.`
      })
    }
    t.end()
  })

  t.test('finds a server on the PATH', (t) => {
    const folder = program(t, 'valkey-server', '')
    Object.assign(process.env, { REDIS_SERVER: '', PATH: folder })
    t.equal(provideRedisServer(), join(folder, 'valkey-server'))
    t.end()
  })

  t.test('finds the server that was unpacked earlier', (t) => {
    const cache = t.testdir({ 'fastify-ioredis-session': { 'redis-server': { 'redis-server': '' } } })
    const { XDG_CACHE_HOME } = process.env
    Object.assign(process.env, { REDIS_SERVER: '', PATH: '', XDG_CACHE_HOME: cache })
    t.equal(provideRedisServer(), join(cache, 'fastify-ioredis-session/redis-server/redis-server'))
    Object.assign(process.env, { XDG_CACHE_HOME })
    t.end()
  })

  t.test('without a server and apt-get, the error says what to install', (t) => {
    Object.assign(process.env, { REDIS_SERVER: '', PATH: '' })
    t.throws(provideRedisServer, {
      message:
        "The tests need a Redis server, and Debian's package cannot be unpacked: there is no apt-get. " +
        'Install redis-server or valkey-server, or name its binary in REDIS_SERVER.'
    })
    t.end()
  })

  t.test('a package that cannot be fetched is an error with the command to run', (t) => {
    // A stand-in for apt. The real one would need a machine without a network.
    const folder = program(t, 'apt-get', '#!/bin/sh\necho "E: the network is away." >&2\nexit 100\n')
    writeFileSync(join(folder, 'apt-config'), '#!/bin/sh\n')
    chmodSync(join(folder, 'apt-config'), 0o755)
    Object.assign(process.env, { REDIS_SERVER: '', PATH: folder })
    const said = t.capture(console, 'log')
    t.throws(provideRedisServer, { message: /unpacked: the network is away\. .*\(sudo apt-get install / })
    t.match(said(), [{ args: [/^No Redis server here: unpacking .* into .*session/] }])
    t.end()
  })
})

t.test('startRedis(): a server that does not start is an error at once', async (t) => {
  await t.rejects(startRedis(t, '--no-such-setting', 'x'), /did not start/)
})

t.test('properties: all import fc from the one module that fixes the seed', async (t) => {
  const direct = readdirSync('test', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/^(hunt\/|support\/properties\.ts)/.test(name))
    .filter((name) => /^import fc\b.* from 'fast-check'/m.test(readFileSync(`test/${name}`, 'utf8')))
  t.same(direct, [])
})

/** A folder with this program. */
function program(t: Test, name: string, source: string): string {
  const folder = t.testdir({ [name]: source })
  chmodSync(join(folder, name), 0o755)
  return folder
}
