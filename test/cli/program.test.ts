// The program: its help, its exit codes, and its numbers.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import t from 'tap'
import { bytes, duration, iso, percent } from '../../lib/cli/format.js'
import { Pace } from '../../lib/cli/pace.js'
import { run } from '../../lib/cli/program.js'
import { bar } from '../../lib/cli/table.js'
import { command, program } from './command.js'

const COMMANDS = ['list', 'show', 'end', 'stats', 'convert', 'verify', 'doctor', 'audit']

t.test('help: all commands, and every option of each', async (t) => {
  const all = await program('', ['--help'])
  t.match(all, { code: 0, stderr: '' })
  for (const name of COMMANDS) t.match(all.stdout, new RegExp(`^  ${name} `, 'm'))
  const page = readFileSync('docs/command-line.md', 'utf8')
  for (const name of COMMANDS) {
    const { code, stdout } = await command('', [name, '--help'])
    t.equal(code, 0)
    t.match(stdout, /Exit codes: 0 .*; 1 .*; 2 /)
    t.match(stdout, 'REDIS_URL')
    for (const [, option = ''] of stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)) {
      t.ok(option === '--help' || page.includes(option), `docs/command-line.md has ${option}`)
    }
  }
})

t.test('help: ends quietly if nobody reads on', async (t) => {
  const gone = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) })
  const streams = { stdin: new PassThrough(), stdout: gone, stderr: new PassThrough() }
  t.equal(await run(['--help'], { ...streams, env: {} }), 0)
  t.ok(gone.errored)
})

t.test('an application loads none of it', async (t) => {
  const files = ['lib', 'serializers', 'contracts'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))
  )
  const others = files.filter((file) => file.endsWith('.ts') && !file.startsWith('lib/cli/'))
  t.ok(others.length > 100)
  for (const file of others) {
    t.notMatch(readFileSync(file, 'utf8'), /['"/](cli\/|commander['"]|cli-progress|cli-table3)/, file)
  }
})

t.test('usage: exit code 2, and nothing on stdout', async (t) => {
  const wrong = [
    [],
    ['nonsense'],
    ['list', '--nonsense'],
    ['show'],
    ['convert'],
    ['convert', '--to', 'msgpack', '--rate', '0'],
    ['convert', '--to', 'msgpack', '--rate', 'many'],
    ['stats', '--timeout', '-1'],
    ['stats', '--max-record-bytes', '1'],
    ['end', '--all', '--yes', '--prefix', '/users'],
    ['end', '--all', '--yes', '--prefix', '']
  ]
  for (const args of wrong) {
    const { code, stderr, stdout } = await command('redis://127.0.0.1:1', args)
    t.same([code, stdout], [2, ''], args.join(' '))
    t.ok(stderr.length > 0)
  }
})

t.test('bin: ends with the exit code of its command', async (t) => {
  t.equal((await program('', ['nonsense'])).code, 2)
  const { argv } = process
  const { exitCode } = process
  const write = process.stderr.write
  t.teardown(() => {
    process.argv = argv
    process.exitCode = exitCode
    process.stderr.write = write
  })
  let said = ''
  process.stderr.write = (text: string | Uint8Array) => {
    said += text
    return true
  }
  process.argv = [...argv.slice(0, 2), 'nonsense']
  await import('../../lib/cli/bin.js')
  await new Promise(setImmediate)
  t.match(said, 'unknown command')
  t.equal(process.exitCode, 2)
})

t.test('numbers: sizes, durations, shares and bars', async (t) => {
  t.same([0, 1, 1_023, 1_024, 1_536, 10_240, 2 ** 20, 2 ** 50, 2 ** 60].map(bytes), [
    '0 B',
    '1 B',
    '1023 B',
    '1 KiB',
    '1.5 KiB',
    '10 KiB',
    '1 MiB',
    '1024 TiB',
    '1048576 TiB'
  ])
  const [minute, hour, day] = [60_000, 3_600_000, 86_400_000]
  t.same(
    [-5, 0, 999, 119_000, 2 * minute, 36 * hour, 2 * day, 4_000 * day].map((value) => duration(value)),
    ['0 s', '0 s', '0 s', '119 s', '2 min', '36 h', '2 d', '4,000 d']
  )
  t.same([percent(0, 0), percent(1, 3), percent(3, 3)], ['0.0 %', '33.3 %', '100.0 %'])
  t.same([iso(0), iso(2 ** 53)], ['1970-01-01T00:00:00.000Z', undefined])
  t.same([bar(0, 10, 8), bar(1, 1_000_000, 8), bar(5, 10, 8), bar(10, 10, 8)], ['', '▏', '████', '████████'])
})

t.test('pace: without a limit it never waits, and what was not used is not made up for', async (t) => {
  // A pause keeps no process alive: in a command, the connection does.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  const free = new Pace()
  t.equal(free.atOnce, 256)
  await free.keep(1_000_000)
  t.same(
    [1, 10, 11, 5_000].map((rate) => new Pace(rate).atOnce),
    [1, 1, 2, 256]
  )
  const pace = new Pace(100)
  await new Promise((resolve) => setTimeout(resolve, 300))
  const startedAt = performance.now()
  await pace.keep(20)
  t.ok(performance.now() - startedAt >= 195)
})
