// Compiles everything once for all test processes: a loader would cost each of them more than most tests do.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buildSync } from 'esbuild'
import { packageBundles } from './bundle.js'

const BUILD = '.tap/build'
const FOLDERS = ['lib', 'serializers', 'contracts', 'test', 'examples', 'scripts', 'benchmarks']

/** Compiles, without checking types. Throws if a file cannot be compiled, after esbuild has printed why. */
export function compile(): void {
  const { outputFiles } = buildSync({
    entryPoints: FOLDERS.flatMap(sources),
    outdir: BUILD,
    outbase: '.',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    // As tsx does. Otherwise a brace after a `return` counts as a line that no test reaches.
    minifyWhitespace: true,
    write: false
  })
  const files = [...outputFiles, ...packageBundles(join(BUILD, 'node_modules'))]
  for (const { path, contents } of files) writeChanged(path, contents)
  cpSync('examples/notes/public', join(BUILD, 'examples/notes/public'), { recursive: true })
  // The examples import the package by its name.
  const { name, type, exports } = JSON.parse(readFileSync('package.json', 'utf8').replaceAll('./dist/', './'))
  writeFileSync(join(BUILD, 'package.json'), JSON.stringify({ name, type, exports }))
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : sources(path)
    return path.endsWith('.ts') ? [path] : []
  })
}

/** The compiled file. */
export function compiled(file: string): string {
  return join(BUILD, file.replace(/\.ts$/, '.js'))
}

/** Another run may be reading the file, if it has not changed. */
function writeChanged(path: string, contents: Uint8Array): void {
  if (existsSync(path) && readFileSync(path).equals(contents)) return
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, contents)
}
