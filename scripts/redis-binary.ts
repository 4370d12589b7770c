// Where to find a Redis server to test against, and how to get one if there is none.
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve, sep } from 'node:path'
import { CACHE, unpackDebianPackage, unpackedProgram } from './debian-package.js'

const BINARIES = ['redis-server', 'valkey-server']
/** Where Debian's package is unpacked, in the cache. */
const FOLDER = 'redis-server'
/** How to install a server, by the package manager of the machine. */
const INSTALL = {
  'apt-get': 'sudo apt-get install redis-server',
  dnf: 'sudo dnf install valkey',
  apk: 'sudo apk add valkey',
  pacman: 'sudo pacman -S valkey',
  brew: 'brew install valkey'
}

/**
 * The server's binary: what REDIS_SERVER names, else the first one of the path, else the one that was unpacked before;
 * `undefined` if there is none.
 */
export function findRedisServer(): string | undefined {
  const named = process.env.REDIS_SERVER
  if (named !== undefined && named !== '') {
    const found = locate(named)
    if (found === undefined)
      throw new Error(`REDIS_SERVER names ${named}, which is no program that can be run.`)
    return found
  }
  return BINARIES.map(locate).find((path) => path !== undefined) ?? unpackedProgram(FOLDER, 'redis-server')
}

/** The same, after Debian's package has been unpacked into the cache if that is possible. */
export function provideRedisServer(): string {
  const found = findRedisServer()
  if (found !== undefined) return found
  try {
    if (locate('apt-get') === undefined) throw new Error('there is no apt-get')
    console.log(`No Redis server here: unpacking Debian's package redis-server into ${join(CACHE, FOLDER)}.`)
    return unpackDebianPackage(FOLDER, 'redis-server')
  } catch (error) {
    const [, command] = Object.entries(INSTALL).find(([manager]) => locate(manager) !== undefined) ?? []
    throw new Error(
      `The tests need a Redis server, and Debian's package cannot be unpacked: ${(error as Error).message}. ` +
        `Install redis-server or valkey-server${command === undefined ? '' : ` (${command})`}, ` +
        'or name its binary in REDIS_SERVER.'
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
