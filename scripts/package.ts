// `npm run test:package`: installs the package that npm would publish into an empty project. The programs of
// test/package, the first sample of the README and the examples must compile and run there, as ECMAScript modules and as
// CommonJS, and with each test runner.
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'

const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
/** Jest can load the modules behind `app.inject()` since this version of Node. */
const hasJest = major > 24 || (major === 24 && minor >= 9)
/** What the examples need. vitest 5 does not run on Node 20. */
const FOR_EXAMPLES = [
  'fast-check@4',
  'cbor-x@1',
  `vitest@${major < 22 ? 4 : 5}`,
  'jest@30',
  '@fastify/autoload@6',
  'fastify-plugin@6'
]

const { peerDependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const project = mkdtempSync(join(tmpdir(), 'session-package-'))

function run(command: string, args: string[], cwd = project, env: NodeJS.ProcessEnv = {}): string {
  const stdio = ['ignore', 'pipe', 'inherit'] as const
  return execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: [...stdio],
    env: { ...process.env, ...env }
  })
}

function install(packages: string[]): void {
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', ...packages])
}

function node(...args: string[]): void {
  run(process.execPath, args)
}

/** Copies a file into the project. */
function take(path: string): string {
  copyFileSync(path, join(project, basename(path)))
  return basename(path)
}

/** Compiles files of the project as this kind of module. */
function compile(module: string, ...files: string[]): void {
  const strictly = ['--strict', '--exactOptionalPropertyTypes', '--esModuleInterop']
  const options = [...strictly, '--module', module, '--target', 'es2023', '--types', 'node']
  run(resolve(project, 'node_modules/.bin/tsc'), [...options, ...files])
}

try {
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', project], '.'))
  const tarball = join(project, filename)
  run('npx', ['publint', '--strict', tarball], '.')
  run('npx', ['attw', tarball], '.')
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }')
  const required = Object.keys(peerDependencies).filter((name) => name !== 'fast-check')
  const peers = required.map((name) => `${name}@${devDependencies[name]}`)
  const types = ['typescript', '@types/node'].map((name) => `${name}@${devDependencies[name]}`)
  install([tarball, ...peers, ...types])
  node(take('test/package/without-fast-check.js'))
  const help = run('npx', ['--no-install', 'fastify-ioredis-session', 'convert', '--help'])
  if (!help.includes('--dry-run')) throw new Error(`the program printed no help: ${help}`)

  install(FOR_EXAMPLES)
  compile('nodenext', take('test/package/esm.ts'), take('examples/basic.ts'))
  node('esm.js')
  const commonjs = ['test/package/commonjs.cts', 'test/package/default-import.cts'].map(take)
  for (const module of ['commonjs', 'node16', 'nodenext']) {
    compile(module, ...commonjs)
    for (const file of commonjs) node(file.replace('.cts', '.cjs'))
  }
  cpSync('test/package/autoload', join(project, 'autoload'), { recursive: true })
  node('autoload/run.js')

  compile('nodenext', take('examples/testing/app.ts'), take('examples/testing/node.test.ts'))
  for (const name of ['vitest', 'jest']) take(`examples/testing/${name}.test.js`)
  take('examples/contracts/cbor.js')
  node('--test', 'node.test.js', take('examples/contracts/cbor.test.js'))
  run('npx', ['vitest', 'run', 'vitest.test.js'])
  const options = { NODE_OPTIONS: '--experimental-vm-modules --no-warnings' }
  if (hasJest) run('npx', ['jest', '--silent', '--testMatch', '**/jest.test.js'], project, options)
  else console.log('Jest needs Node 24.9, so its example is not tried')

  // Removes the native part of msgpackr, as --omit=optional does.
  for (const name of ['msgpackr-extract', '@msgpackr-extract']) {
    rmSync(join(project, 'node_modules', name), { recursive: true })
  }
  node('esm.js')
  console.log(`${filename} installs, type-checks and runs in an empty project`)
} finally {
  rmSync(project, { recursive: true, force: true })
}
