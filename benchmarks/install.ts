// Installs the packages of this folder, and compiles the measured programs: tsx wraps functions in ways that cost time.
import { spawnSync } from 'node:child_process'
import { rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'

const FOLDER = resolve('benchmarks')

/** Runs `npm ci` in this folder if its packages are missing or older than the lock file. */
export function installPackages(): void {
  if (modifiedAt('node_modules/.package-lock.json') >= modifiedAt('package-lock.json')) return
  console.log('Installing the packages of benchmarks/ (npm ci).')
  run('npm', ['ci', '--prefix', FOLDER, '--no-audit', '--no-fund'])
}

export function compile(): void {
  rmSync(join(FOLDER, 'dist'), { recursive: true, force: true })
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  run(process.execPath, [tsc, '-p', join(FOLDER, 'tsconfig.build.json')])
}

/** The path of a compiled program. @param source Its path in this folder, such as `server/process.ts`. */
export function compiled(source: string): string {
  return join(FOLDER, 'dist', 'benchmarks', source.replace(/ts$/, 'js'))
}

function modifiedAt(file: string): number {
  return statSync(join(FOLDER, file), { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function run(command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`)
}
