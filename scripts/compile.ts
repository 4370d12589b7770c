// Compiles everything once for all test processes: a loader would cost each of them more than most tests do.
import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const BUILD = '.tap/build'

/** Compiles what has changed, without checking types. Throws if a file cannot be compiled. */
export function compile(): void {
  const args = ['node_modules/.bin/tsc', '-p', 'tsconfig.test.json']
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  if (status !== 0) throw new Error('The tests cannot be compiled; see above.')
  cpSync('examples/notes/public', join(BUILD, 'examples/notes/public'), { recursive: true })
  // The examples import the package by its name.
  const { name, type } = JSON.parse(readFileSync('package.json', 'utf8'))
  writeFileSync(join(BUILD, 'package.json'), JSON.stringify({ name, type, exports: './lib/index.js' }))
}

/** The compiled file. */
export function compiled(file: string): string {
  return join(BUILD, file.replace(/\.ts$/, '.js'))
}
