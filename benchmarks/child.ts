// A compiled program of this folder, run as a process that measures something and reports it.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { compiled } from './install.js'

/** Resolves when it has ended; rejects if it failed. */
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
