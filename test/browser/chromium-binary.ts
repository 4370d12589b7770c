// Where to find a browser to test with, and how to get one where there is none.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const DEBIAN = '/usr/bin/chromium'

/** What CHROMIUM names, else Debian's package, installed if that is possible without asking. */
export function provideChromium(): string {
  const named = process.env.CHROMIUM
  if (named !== undefined && named !== '') {
    if (existsSync(named)) return named
    throw new Error(`CHROMIUM names ${named}, which is not there.`)
  }
  if (existsSync(DEBIAN) || (installDebianPackage() && existsSync(DEBIAN))) return DEBIAN
  throw new Error(
    'The browser test needs Chromium: install the package chromium, or name a binary in CHROMIUM.'
  )
}

function installDebianPackage(): boolean {
  if (!existsSync('/usr/bin/apt-get')) return false
  console.log('No Chromium here: installing the Debian package chromium.')
  const prefix = process.getuid?.() === 0 ? [] : ['sudo', '-n']
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', 'chromium']
  return (
    run([...prefix, 'apt-get', 'update']) &&
    run([...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', ...install])
  )
}

function run([command = '', ...args]: string[]): boolean {
  return spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
}
