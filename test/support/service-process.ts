// A process of a service under test. Its program gets options as JSON and reports its address.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

export interface ServiceProcess {
  child: ChildProcess
  address: string
}

export async function launch(
  program: URL,
  options: unknown,
  execArgv: readonly string[] = []
): Promise<ServiceProcess> {
  const child = fork(program, [JSON.stringify(options)], {
    execArgv: [...process.execArgv, ...execArgv],
    // The options of a test runner are not meant for these processes.
    env: { ...process.env, NODE_OPTIONS: '' }
  })
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`a process of the service ended with ${code}`)
  })
  ended.catch(() => {})
  const [address] = await Promise.race([once(child, 'message'), ended])
  return { child, address }
}

/** Kills it, as a crash would. */
export async function kill({ child }: ServiceProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}
