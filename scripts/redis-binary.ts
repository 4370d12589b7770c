// Where to find a Redis server to test against, and how to get one where there is none.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve, sep } from 'node:path'

const BINARIES = ['redis-server', 'valkey-server']

/** The server's binary: what REDIS_SERVER names, else the first one of the path; `undefined` where there is none. */
export function findRedisServer(): string | undefined {
  const named = process.env.REDIS_SERVER
  if (named !== undefined && named !== '') {
    const found = locate(named)
    if (found === undefined)
      throw new Error(`REDIS_SERVER names ${named}, which is no program that can be run.`)
    return found
  }
  return BINARIES.map(locate).find((path) => path !== undefined)
}

/** The same, after Debian's package has been installed if that is possible without asking. */
export function provideRedisServer(): string {
  const found = findRedisServer() ?? (installDebianPackage() ? findRedisServer() : undefined)
  if (found === undefined) {
    throw new Error(
      'The tests need a Redis server: install redis-server or valkey-server, or name its binary in REDIS_SERVER.'
    )
  }
  return found
}

function installDebianPackage(): boolean {
  if (locate('apt-get') === undefined) return false
  const isRoot = process.getuid?.() === 0
  const prefix = isRoot ? [] : ['sudo', '-n']
  console.log('No Redis server here: installing the Debian package redis-server.')
  const install = [
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'apt-get',
    'install',
    '-y',
    '--no-install-recommends'
  ]
  return run([...prefix, 'apt-get', 'update']) && run([...prefix, ...install, 'redis-server'])
}

function run([command = '', ...args]: string[]): boolean {
  return spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
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
