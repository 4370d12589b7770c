// `npm run test:matrix`: runs the tests on all supported servers and versions of Node: each server with this Node, each
// Node with the default server. `npm run test:matrix -- redis-8 node-24` runs only these two. Names of test files run
// only these files. Servers come from Debian packages and Nodes from npm packages; nothing is installed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, readdirSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { cacheFolder, run, unpackDebianPackage } from './debian-package.js'

const SERVERS = {
  'redis-6.0': { suite: 'bullseye', package: 'redis-server', says: /Redis server v=6\.0\./ },
  'redis-7.0': { suite: 'bookworm', package: 'redis-server', says: /Redis server v=7\.0\./ },
  'redis-8': { suite: 'trixie', package: 'redis-server', says: /Redis server v=8\./ },
  'valkey-8': { suite: 'bookworm-backports', package: 'valkey-server', says: /Valkey server v=8\./ },
  'valkey-9': { suite: 'forky', package: 'valkey-server', says: /Valkey server v=9\./ },
  'redict-7.3': { suite: 'bookworm-backports', package: 'redict-server', says: /Redict server v=7\.3\./ }
} as const
/** Redis 6 has every command of 6.2 that sessions need. Tests of clusters and failovers need commands of Redis 7. */
const ON_REDIS_6 = /^test.(http|stores).(?!lost-answers)/
const NODES = ['node-20', 'node-22', 'node-24', 'node-26'] as const
const DEFAULT_SERVER = 'redis-7.0'

type ServerName = keyof typeof SERVERS
type NodeName = (typeof NODES)[number]
interface Combination {
  server: ServerName
  node: NodeName
}
interface Result extends Combination {
  version: string
  passed: number
  failed: number
  seconds: number
}

const thisNode = `node-${process.versions.node.split('.')[0]}`

// ---------------------------------------------------------------- servers and Nodes

/** The program of this server, with the libraries of its suite. */
function provideServer(name: ServerName): string {
  const { suite, package: pack, says } = SERVERS[name]
  const program = unpackDebianPackage(name, pack, suite)
  const version = run(program, ['--version'])
  if (!says.test(version)) throw new Error(`${pack} of ${suite} is another version: ${version.trim()}`)
  return program
}

/** The program of this Node. */
function provideNode(name: NodeName): string {
  if (name === thisNode) return process.execPath
  const [, major] = name.split('-')
  const pack = `node-${process.platform}-${process.arch}`
  const folder = join(cacheFolder(), name)
  mkdirSync(folder, { recursive: true })
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
  run('npm', ['install', '--prefix', folder, ...quiet, `${pack}@${major}`])
  const program = join(folder, 'node_modules', pack, 'bin/node')
  const version = run(program, ['--version'])
  if (!version.startsWith(`v${major}.`)) throw new Error(`${pack}@${major} is ${version.trim()}`)
  return program
}

// ---------------------------------------------------------------- runs

let isStopped = false

const testFiles = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join('test', name))

async function test({ node, server }: Combination, files: string[]): Promise<Result> {
  const begin = performance.now()
  const elapsed = () => Math.round((performance.now() - begin) / 1000)
  console.log(`${server} with ${node} …`)
  try {
    const [redis, program] = [provideServer(server), provideNode(node)]
    const version = `${/v=(\S+)/.exec(run(redis, ['--version']))?.[1]}, ${run(program, ['--version']).trim()}`
    const log = join(cacheFolder(), `${server}-${node}.tap`)
    // Naming the files turns coverage off, which only `npm test` measures.
    const child = spawn(program, ['node_modules/.bin/tsx', 'scripts/test.ts', ...files], {
      env: {
        ...process.env,
        REDIS_SERVER: redis,
        PATH: [dirname(program), process.env.PATH].join(delimiter)
      },
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const end = (signal: NodeJS.Signals) => {
      isStopped = true
      child.kill(signal)
    }
    process.once('SIGTERM', end)
    const closed = once(child, 'close')
    child.stdout.pipe(createWriteStream(log))
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    const [code] = await closed
    process.off('SIGTERM', end)
    const [, passed, failed] = [...text.matchAll(/^(\d+) passed, (\d+) failed/gm)].at(-1) ?? []
    const broken = text.split('\n').filter((line) => /^\s*not ok /.test(line))
    if (broken.length > 0) console.log(`${broken.slice(0, 40).join('\n')}\nThe full output is in ${log}`)
    if (code !== 0 && Number(failed ?? 0) === 0) throw new Error(`the tests ended with ${code}, see ${log}`)
    return { node, server, version, passed: Number(passed), failed: Number(failed), seconds: elapsed() }
  } catch (error) {
    console.error(`${server} with ${node} cannot be tested: ${(error as Error).message}`)
    return { node, server, version: 'not tested', passed: 0, failed: 1, seconds: elapsed() }
  }
}

function combinations(): Combination[] {
  const all = [
    ...Object.keys(SERVERS).map((server) => ({ server, node: thisNode })),
    ...NODES.map((node) => ({ server: DEFAULT_SERVER, node }))
  ] as Combination[]
  const seen = new Map(all.map((each) => [`${each.server} ${each.node}`, each]))
  return [...seen.values()]
}

const given = process.argv.slice(2)
const names = given.filter((name) => !name.endsWith('.ts'))
const files = given.filter((name) => name.endsWith('.ts'))
const known: readonly string[] = [...Object.keys(SERVERS), ...NODES]
const unknown = names.filter((name) => !known.includes(name))
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}; choose from ${known.join(', ')}.`)
  process.exit(1)
}
// A named server runs with this Node, a named Node with the default server.
const wanted = combinations().filter(
  ({ node, server }) =>
    names.length === 0 ||
    (names.includes(server) && node === thisNode) ||
    (names.includes(node) && server === DEFAULT_SERVER)
)
const results: Result[] = []
for (const each of wanted) {
  if (isStopped) break
  const chosen = files.length > 0 ? files : testFiles
  const old = each.server === 'redis-6.0'
  results.push(await test(each, old ? chosen.filter((name) => ON_REDIS_6.test(name)) : chosen))
}

const rows = results.map(({ server, node, version, passed, failed, seconds }) => [
  server,
  node,
  version,
  passed,
  failed,
  seconds
])
for (const row of [
  ['server', 'node', 'versions', 'passed', 'failed', 'seconds'],
  Array(6).fill('---'),
  ...rows
]) {
  console.log(`| ${row.join(' | ')} |`)
}
const total = (key: 'passed' | 'failed') => results.reduce((sum, result) => sum + result[key], 0)
console.log(`${total('passed')} passed, ${total('failed')} failed`)
process.exitCode = total('failed') > 0 ? 1 : 0
