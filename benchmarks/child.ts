// Runs a compiled program of this folder in a child process, which measures something and reports it.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { compiled } from './install.js'

/** Resolves when the process has ended; rejects if it failed. */
export async function runChild<Message>(
  source: string,
  args: readonly string[],
  onMessage: (message: Message) => void
): Promise<void> {
  const child = fork(compiled(source), args, {
    execArgv: [],
    env: { ...process.env, NODE_ENV: 'production' }
  })
  child.on('message', onMessage)
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${source} ${args.join(' ')} failed`)
}
