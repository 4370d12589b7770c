// Provides the Redis server for the tests.
import { unpackDebianPackage } from './debian-package.js'
import { findProgram, provideProgram, type Wanted } from './program.js'

const REDIS: Wanted = {
  name: 'Redis server',
  variable: 'REDIS_SERVER',
  binaries: ['redis-server', 'valkey-server'],
  pack: 'redis-server',
  folder: 'redis-server',
  unpack: () => unpackDebianPackage('redis-server', 'redis-server'),
  install: {
    'apt-get': 'sudo apt-get install redis-server',
    dnf: 'sudo dnf install valkey',
    apk: 'sudo apk add valkey',
    pacman: 'sudo pacman -S valkey',
    brew: 'brew install valkey'
  }
}

/** The server's binary, if this machine has one. */
export const findRedisServer = (): string | undefined => findProgram(REDIS)

/** The server's binary, unpacked from Debian's package if necessary. */
export const provideRedisServer = (): string => provideProgram(REDIS)
