// The coverage of lib and serializers by all test processes together.
import { spawnSync } from 'node:child_process'

/** Prints the coverage, which must include every line and function. V8 counts more branches than the source has. */
export function isCovered(): boolean {
  const args = ['node_modules/.bin/tap', 'report', 'text', '--branches=0']
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status === 0
}
