// Finds a program that tests need, or unpacks it without installing anything.
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve, sep } from 'node:path'
import { cacheFolder, unpackedProgram } from './debian-package.js'

export interface Wanted {
  /** The name in messages, without an article. */
  name: string
  /** The environment variable with the path of its binary. */
  variable: string
  /** Names of its binary on the PATH, the preferred one first. */
  binaries: readonly string[]
  /** The name of Debian's package. */
  pack: string
  /** The folder in the cache. */
  folder: string
  /** Unpacks the package into that folder, and returns the program. */
  unpack: () => string
  /** The command that installs it, by package manager. */
  install: Readonly<Record<string, string>>
}

/**
 * Finds the program's binary: the one that the variable names, the first one on the PATH, or the one unpacked earlier.
 * Returns `undefined` if there is none.
 */
export function findProgram({ variable, binaries, folder, pack }: Wanted): string | undefined {
  const named = process.env[variable]
  if (named !== undefined && named !== '') {
    const found = locate(named)
    if (found === undefined)
      throw new Error(`${variable} names ${named}, which is no program that can be run.`)
    return found
  }
  return binaries.map(locate).find((path) => path !== undefined) ?? unpackedProgram(folder, pack)
}

/** Finds the program's binary, or unpacks Debian's package into the cache. */
export function provideProgram(wanted: Wanted): string {
  const { name, variable, binaries, folder, pack, install } = wanted
  const found = findProgram(wanted)
  if (found !== undefined) return found
  try {
    if (locate('apt-get') === undefined) throw new Error('there is no apt-get')
    console.log(`No ${name} here: unpacking Debian's package ${pack} into ${join(cacheFolder(), folder)}.`)
    return wanted.unpack()
  } catch (error) {
    const [, command] = Object.entries(install).find(([manager]) => locate(manager) !== undefined) ?? []
    throw new Error(
      `The tests need a ${name}, and Debian's package cannot be unpacked: ${(error as Error).message}. ` +
        `Install ${binaries.join(' or ')}${command === undefined ? '' : ` (${command})`}, ` +
        `or name its binary in ${variable}.`
    )
  }
}

function locate(command: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const paths = command.includes(sep) ? [resolve(command)] : folders.map((folder) => join(folder, command))
  return paths.find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
