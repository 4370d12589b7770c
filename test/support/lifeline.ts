// Programs that end with this process, however it ends. A shell beside each program waits for the end of its input,
// which ends with this process. It then kills the program.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * @param folder The folder for the program's files. It is removed when the program ends.
 * @param isKept Whether the folder outlives a killed program, and is removed when this process ends.
 */
export function spawnWithLifeline(
  folder: string,
  program: string,
  args: readonly string[],
  isKept = false
): ChildProcess {
  // In its own process group, so that Ctrl-C reaches only this process, which may still need the program.
  return spawn('sh', ['-c', scriptOf(isKept), folder, program, ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true
  })
}

function scriptOf(isKept: boolean): string {
  const remove = 'rm -rf "$0"'
  return `exec 3<&0
"$@" 3<&- & program=$!
{ read -r _ <&3; ${isKept ? remove : ':'}; kill -9 $program; } 2>/dev/null & lifeline=$!
wait $program
kill $lifeline
${isKept ? '' : remove}`
}

/** Kills the program. */
export async function halt(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.stdin?.end()
  await exit
}
