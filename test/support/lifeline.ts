// Programs that end with this process, however it ends: each runs beside a shell that waits for the end of its input,
// which is the end of this process, and then kills it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * @param folder What the program keeps its files in. It goes when the program has ended.
 * @param isKept It goes with this process instead, and outlives a program that is killed.
 */
export function spawnWithLifeline(
  folder: string,
  program: string,
  args: readonly string[],
  isKept = false
): ChildProcess {
  // In a process group of its own: Ctrl-C is for this process, which may still need the program.
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
