// `audit`: loads an application as fastify-cli does, judges its sessions, and holds a level.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { AuditRow } from '../../lib/audit/index.js'
import { command } from './command.js'

interface Result {
  level: number
  held: boolean
  rows: AuditRow[]
}

const HEAD = `
import cookie from '${import.meta.resolve('@fastify/cookie')}'
import Fastify from '${import.meta.resolve('fastify')}'
import redisSession, { MemoryStore } from '${new URL('../../lib/index.js', import.meta.url)}'
globalThis.closed ??= []
const close = async () => void globalThis.closed.push(import.meta.url)
const sessions = (app, options) => {
  const store = new MemoryStore()
  app.addHook('onClose', async () => store.close())
  app.addHook('onClose', close)
  app.register(cookie)
  app.register(redisSession, { store, ...options })
  return app
}
const SECURE = { user: 'userId', absoluteTimeout: 3600 }
`

const folder = t.testdir()
let modules = 0

/** The path of a module with this text. Node imports each path once. */
function module(text: string): string {
  const path = join(folder, `${modules++}.mjs`)
  writeFileSync(path, HEAD + text)
  return path
}

async function audit(text: string, ...options: string[]): Promise<Result & { code: number | null }> {
  const { code, stdout } = await command('', ['audit', '--app', module(text), '--json', ...options])
  return { code, ...JSON.parse(stdout) }
}

const SHAPES: Record<string, string> = {
  'a plugin': 'export default async (app, options) => { sessions(app, SECURE); options.x = 1 }',
  'a plugin with fastify-plugin': `
    const plugin = async (app) => void sessions(app, SECURE)
    plugin[Symbol.for('skip-override')] = true
    export default plugin`,
  'a plugin with a callback': 'export default (app, options, done) => { sessions(app, SECURE); done() }',
  'a function that returns an application': 'export default () => sessions(Fastify(), SECURE)',
  'an async function that returns one': 'export default async () => sessions(Fastify(), SECURE)',
  'a plugin that returns its argument': 'export default async (app) => sessions(app, SECURE)',
  'an application': 'export default sessions(Fastify(), SECURE)',
  'an application that is ready': 'export const app = await sessions(Fastify(), SECURE).ready()'
}

for (const [shape, text] of Object.entries(SHAPES)) {
  t.test(`--app: ${shape}`, async (t) => {
    const { code, held, level, rows } = await audit(text)
    t.same({ code, held, level }, { code: 0, held: true, level: 1 })
    t.equal(rows.find(({ id }) => id === 'V7.3.2')?.status, 'met', 'by its own options')
    const closed = (globalThis as { closed?: string[] }).closed ?? []
    t.equal(closed.length, 1, 'it is closed')
    closed.length = 0
  })
}

t.test('--level: what a level does not ask for fails nothing', async (t) => {
  const levels: [string, string, boolean][] = [
    ['{}', '1', false],
    ["{ user: 'userId' }", '1', true],
    ["{ user: 'userId' }", '2', false],
    // Only level 1 asks for a prefix that hosts can share.
    [`{ ...SECURE, cookie: { name: 'sid', domain: 'example.com' } }`, '2', false],
    ['SECURE', '2', true],
    ['SECURE', '3', true],
    [`{ ...SECURE, cookie: { name: '__Host-' + 's'.repeat(4000) } }`, '2', true],
    [`{ ...SECURE, cookie: { name: '__Host-' + 's'.repeat(4000) } }`, '3', false]
  ]
  for (const [options, level, isHeld] of levels) {
    const result = await audit(`export default () => sessions(Fastify(), ${options})`, '--level', level)
    t.match(
      result,
      { code: isHeld ? 0 : 1, held: isHeld, level: Number(level) },
      `${options} at level ${level}`
    )
  }
})

t.test('the table: one for each registration, and the counts of what ASVS asks for', async (t) => {
  const app = module(`
    export default () => {
      const app = sessions(Fastify(), SECURE)
      app.register(redisSession, { store: new MemoryStore(), decorator: 'staff', cookie: { secure: 'auto' } })
      return app
    }`)
  const { code, stderr, stdout } = await command('', ['audit', '--app', app, '--level', '2'])
  t.equal(stderr, '')
  t.equal(code, 1)
  t.match(stdout, /^session$/m)
  t.match(stdout, /^staff$/m)
  t.match(
    stdout,
    /^✓ {2}V3\.3\.1 +1 +The cookie is Secure, .* cookie\.name __Host-session; test\/security\.test\.ts$/m
  )
  t.match(stdout, /^✗ {2}V3\.3\.1 +1 +The cookie is Secure, .* set cookie\.secure: true$/m)
  t.match(stdout, /^· {2}V7\.4\.4 +2 +Every page has a visible logout +SECURITY\.md#logout$/m)
  t.match(stdout, /^✗ {2}onReplay {2,}The use of an id that was replaced is noticed +set onReplay$/m)
  t.match(stdout, /\nlevel 2 is not held: \d+ met, 7 not met, \d+ for the application\n$/)
})

t.test('errors are exit code 2, and say what to do, without the messages of the application', async (t) => {
  const SECRET = 'redis://:hunter2@example.com'
  const errors: [string, RegExp][] = [
    [join(folder, 'missing.mjs'), /cannot be loaded \(ERR_MODULE_NOT_FOUND\): name a module by --app/],
    [module(`throw new TypeError('${SECRET}')`), /cannot be loaded \(TypeError\)/],
    [module('throw undefined'), /cannot be loaded \(no reason\)/],
    [module('export const other = 5'), /exports no application: export default async/],
    [module('export default null'), /exports no application/],
    [
      module(`export default async () => { throw new Error('${SECRET}') }`),
      /does not start \(Error\): start it by itself to see why/
    ],
    [module(`export default (app) => void sessions(app, { idleTimeout: 0 })`), /option idleTimeout: must be/],
    [module('export default async () => {}'), /register fastify-ioredis-session on it/]
  ]
  for (const [path, message] of errors) {
    const { code, stderr, stdout } = await command('', ['audit', '--app', path])
    t.equal(code, 2, String(message))
    t.equal(stdout, '')
    t.match(stderr, message)
    t.notMatch(stderr, /hunter2/)
  }
  for (const level of ['0', '4', 'two', '1.5']) {
    t.match(await command('', ['audit', '--app', 'x', '--level', level]), { code: 2, stderr: /1, 2 or 3/ })
  }
  t.match(await command('', ['audit']), { code: 2, stderr: /--app/ })
})

t.test('the example holds level 2 in production, and docs/audit.md shows its audit', async (t) => {
  const { NODE_ENV } = process.env
  t.teardown(() => {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = NODE_ENV
  })
  process.env.NODE_ENV = 'production'
  const { code, stdout } = await command('', [
    'audit',
    '--app',
    fileURLToPath(new URL('../../examples/notes/for-audit.js', import.meta.url)),
    '--level',
    '2'
  ])
  t.equal(code, 0)
  t.ok(readFileSync('docs/audit.md', 'utf8').includes(stdout), stdout)
})
