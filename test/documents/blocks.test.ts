// Every TypeScript block in the documents compiles, and blocks marked `run` run.
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { startRedis } from '../support/redis-server.js'
import { type Block, blocks, pages } from './pages.js'

const run = promisify(execFile)
const typescript = blocks.filter(({ language }) => language === 'ts')
const [excerpts, modules] = [
  typescript.filter(({ marks }) => marks.has('excerpt')),
  typescript.filter(({ marks }) => !marks.has('excerpt'))
]

t.test('code blocks: this test finds every TypeScript block', (t) => {
  for (const [page, text] of pages) {
    const fences = [...text.matchAll(/```(?:ts|typescript|js|javascript|tsx|mts)\b/g)]
    t.equal(fences.length, typescript.filter((block) => block.page === page).length, page)
  }
  const known = ['run', 'assumes', 'excerpt']
  for (const { page, line, marks } of typescript) {
    t.same(
      [...marks.keys()].filter((mark) => !known.includes(mark)),
      [],
      `${page}:${line}`
    )
  }
  t.end()
})

t.test('code blocks: an excerpt is in the file that it names', (t) => {
  for (const { page, line, code, marks } of excerpts) {
    const source = unindented(readFileSync(marks.get('excerpt') ?? '', 'utf8'))
    t.ok(source.includes(unindented(code)), `${page}:${line}`)
  }
  t.end()
})

t.test('code blocks: all others compile as one program', async (t) => {
  const folder = t.testdir({
    'tsconfig.json': JSON.stringify({
      extends: relative(t.testdirName, 'tsconfig.json'),
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: ['*.ts']
    })
  })
  for (const block of modules) writeModule(folder, block)
  // Through env(1), since tap puts its loaders into the environment of processes, and tsc does not start with them.
  const options = ['--pretty', 'false', '--singleThreaded', '-p', folder]
  const compiler = run('env', ['NODE_OPTIONS=', 'node_modules/.bin/tsc', ...options])
  const { stdout, stderr } = await compiler.catch((error) => error)
  t.equal(stdout + stderr, '')
})

t.test('code blocks: those marked `run` print what they say', async (t) => {
  const { url, client } = await startRedis(t)
  const folder = t.testdir()
  for (const block of modules.filter(({ marks }) => marks.has('run'))) {
    await client.flushall()
    const file = writeModule(folder, block, 'process.exit()')
    const { stdout, stderr } = await run(process.execPath, ['--import=tsx', file], {
      env: { ...process.env, REDIS_URL: url },
      timeout: 60_000
    }).catch((error) => error)
    const said = [...block.code.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm)].map(([, line]) => `${line}\n`)
    t.equal(stdout + stderr, said.join(''), `${block.page}:${block.line}`)
  }
})

/** Lines keep their numbers from the page, so that errors name them. */
function writeModule(folder: string, { page, line, code, marks }: Block, last = ''): string {
  const file = join(folder, `${basename(page, '.md')}-${line}.ts`)
  const names = marks.get('assumes')
  const assumed = relative(folder, 'test/documents/assumed.js')
  const first = names === undefined ? 'export {}' : `import { ${names} } from '${assumed}'`
  writeFileSync(file, `${first}${'\n'.repeat(line - 1)}${code}${last}\n`)
  return file
}

function unindented(code: string): string {
  return code.trim().replace(/^ +/gm, '')
}
