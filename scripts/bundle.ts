// Bundles the packages that nearly every test process loads. It would otherwise find and read their hundreds of files.
import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync, type OutputFile } from 'esbuild'

const COMMON = ['fastify', 'fastify-plugin', '@fastify/cookie', '@fastify/error', 'ioredis']
const COMMON_FILE = 'common.cjs'
/** Written by each `npm ci`. */
const INSTALLED = 'node_modules/.package-lock.json'
const OPTIONS = {
  bundle: true,
  minifyWhitespace: true,
  minifySyntax: true,
  platform: 'node',
  target: 'node20',
  write: false
} as const
// A CommonJS module calls it. In an ES module there is none.
const REQUIRE =
  "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);"

const require = createRequire(import.meta.url)

/** The files that make up these packages in a folder where Node looks first; none if they are there already. */
export function packageBundles(folder: string): Pick<OutputFile, 'path' | 'contents'>[] {
  if (timeOf(join(folder, COMMON_FILE)) > Math.max(timeOf(INSTALLED), timeOf(fileURLToPath(import.meta.url))))
    return []
  const file = (path: string, text: string) => ({ path: resolve(folder, path), contents: Buffer.from(text) })
  const contents = COMMON.map((name) => `exports['${name}'] = () => require('${name}')`).join('\n')
  const common = buildSync({
    ...OPTIONS,
    stdin: { contents, resolveDir: '.' },
    format: 'cjs',
    outfile: join(folder, COMMON_FILE)
  })
  const tap = buildSync({
    ...OPTIONS,
    entryPoints: ['tap'],
    format: 'esm',
    banner: { js: REQUIRE },
    // In a folder that tap leaves out of stack traces.
    outfile: join(folder, '@tapjs/tap.js')
  })
  const entries = COMMON.map((name) => {
    // Node finds the names of the exports in the text.
    const names = Object.keys(require(name)).filter((key) => key !== 'default')
    const exported = `module.exports = require('${relative(name, COMMON_FILE)}')['${name}']()`
    return file(`${name}/index.js`, `${exported}\n0 && (module.exports = { ${names.join(', ')} })`)
  })
  entries.push(
    file('tap/index.js', "export * from '../@tapjs/tap.js'\nexport { default } from '../@tapjs/tap.js'"),
    file('tap/package.json', JSON.stringify({ type: 'module', exports: './index.js' })),
    file('@tapjs/package.json', JSON.stringify({ type: 'module' }))
  )
  // Last, since it tells that all are there.
  return [...tap.outputFiles, ...entries, ...common.outputFiles]
}

function timeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
