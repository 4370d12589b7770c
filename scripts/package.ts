// `npm run test:package`: installs the package that npm would publish into an empty project. A program and the first
// sample of the README must compile and run there.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const PROGRAM = `import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import redisSession, { MemoryStore, type RedisSessionOptions } from 'fastify-ioredis-session'
import { type Adopter, expressSession } from 'fastify-ioredis-session/adopt'

declare module 'fastify-ioredis-session' {
  interface SessionData { userId: number }
}

const options: RedisSessionOptions = { store: new MemoryStore(), serializer: 'msgpack' }
const app = Fastify()
await app.register(cookie)
await app.register(redisSession, options)
app.get('/', async ({ session }) => {
  session.userId = 42
  const id: number | undefined = session.get('userId')
  // @ts-expect-error: a text is no number, which only shows if the declared type has come along in the package
  session.set('userId', 'forty-two')
  session.set('userId', id)
  return session.data()
})
const { body, headers } = await app.inject('/')
const adopter: Adopter = expressSession({ secret: 'old' })
if (adopter.keyOf('1') !== 'sess:1') throw new Error('adopt')
if (!headers['set-cookie'] || !body.includes('userId')) throw new Error(body)
await app.close()
`

const { peerDependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const project = mkdtempSync(join(tmpdir(), 'session-package-'))

function run(command: string, args: string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

try {
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', project], '.'))
  const tarball = join(project, filename)
  run('npx', ['publint', '--strict', tarball], '.')
  run('npx', ['attw', tarball, '--profile', 'esm-only'], '.')
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }')
  writeFileSync(join(project, 'program.ts'), PROGRAM)
  copyFileSync('examples/basic.ts', join(project, 'basic.ts'))
  const peers = Object.keys(peerDependencies).map((name) => `${name}@${devDependencies[name]}`)
  const types = ['typescript', '@types/node'].map((name) => `${name}@${devDependencies[name]}`)
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball, ...peers, ...types], project)
  const compiler = [
    '--strict',
    '--exactOptionalPropertyTypes',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--types',
    'node'
  ]
  for (const file of ['basic.ts', 'program.ts']) {
    run(resolve(project, 'node_modules/.bin/tsc'), [...compiler, file], project)
  }
  run(process.execPath, ['program.js'], project)
  // Removes the native part of msgpackr, as --omit=optional does.
  for (const name of ['msgpackr-extract', '@msgpackr-extract']) {
    rmSync(join(project, 'node_modules', name), { recursive: true })
  }
  run(process.execPath, ['program.js'], project)
  console.log(`${filename} installs, type-checks and runs in an empty project`)
} finally {
  rmSync(project, { recursive: true, force: true })
}
