// Starts the example application in a separate process, as a user does.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface RunningExample {
  url: string
  /** Its output so far, with errors. */
  output(): string
  /** Ends it with this signal, by default SIGTERM, and returns its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

type Environment = Record<string, string>

const SERVER = fileURLToPath(new URL('../../examples/notes/server.js', import.meta.url))

/** Starts it, and waits until it is ready. If it ends before, rejects with its output. */
export async function startExample(
  t: { teardown(end: () => Promise<unknown>): void },
  environment: Environment = {}
): Promise<RunningExample> {
  const { output, child, exit } = launch(environment)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exit
  })
  const started = new Promise<void>((resolve) => {
    child.stdout.on('data', () => {
      if (output().includes('Cookies:')) resolve()
    })
  })
  const early = exit.then(() => Promise.reject(new Error(`the example ended: ${output()}`)))
  early.catch(() => {})
  await Promise.race([started, early])
  return {
    url: /http:\S+/.exec(output())?.[0] ?? '',
    output,
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      return exit
    }
  }
}

/** Runs it with an environment that it should refuse. Returns its exit code and output. */
export async function runExample(environment: Environment): Promise<{ code: number | null; output: string }> {
  const { output, exit } = launch(environment)
  return { code: await exit, output: output() }
}

function launch(environment: Environment) {
  const { REDIS_URL, SESSION_SECRET, SESSION_SERIALIZER, ...inherited } = process.env
  const child = spawn(process.execPath, [...process.execArgv, SERVER], {
    // The options of a test runner are not meant for this process.
    env: { ...inherited, NODE_OPTIONS: '', HOST: '127.0.0.1', PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  }
  const exit = once(child, 'close').then(([code]): number | null => code)
  return { child, exit, output: () => text }
}
