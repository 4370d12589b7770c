// What an application does not use costs it no import: the modules that lib/index.ts imports, and what those import.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

/** Capabilities of which an application chooses some. */
const PARTS = [
  'adopt',
  'audit',
  'cli',
  'device-bound',
  'encryption',
  'near-cache',
  'replay',
  'schema',
  'signals',
  'testing',
  'transport',
  'users'
]
const PACKAGES = ['@fastify/cookie', '@fastify/error', 'fastify-plugin', 'ioredis', 'lru-cache']

// Types are no imports, and import() waits until something is used.
const IMPORT = /^(?:import|export) (?!type\b)(?:[^'"]*? from )?'([^']+)'/gm

const modules = new Set<string>()
const packages = new Set<string>()

function follow(file: string): void {
  if (modules.has(file)) return
  modules.add(file)
  for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
    if (name.startsWith('.')) follow(join(file, '..', name.replace(/\.js$/, '.ts')))
    else if (!name.startsWith('node:')) packages.add(name)
  }
}

follow('lib/index.ts')

t.test('an application imports the core, and no part of it that it has not asked for', async (t) => {
  t.ok(modules.size > 50)
  t.same(
    [...modules].filter((file) => PARTS.some((part) => file.startsWith(`lib/${part}/`))),
    []
  )
})

t.test('an application imports no serializer library, and nothing for the command line', async (t) => {
  t.same([...packages].sort(), PACKAGES)
})

t.test('every folder of lib is a part or the core', async (t) => {
  const core = ['cookies', 'data', 'plugin', 'records', 'request', 'session', 'sessions', 'stores']
  const folders = readdirSync('lib', { withFileTypes: true }).filter((entry) => entry.isDirectory())
  t.same(folders.map(({ name }) => name).sort(), [...core, ...PARTS].sort())
})
