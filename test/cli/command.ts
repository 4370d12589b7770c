// Commands, called in this process with streams of their own, or as the program.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { run } from '../../lib/cli/program.js'

const BIN = fileURLToPath(new URL('../../lib/cli/bin.js', import.meta.url))

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

interface Settings {
  env?: NodeJS.ProcessEnv
  /** Whether stdin and stderr are a terminal. */
  isTerminal?: boolean
  /** Whether stdout is a terminal with colours. */
  isColoured?: boolean
  /** What the person types; `undefined` closes the input. */
  answer?: string | undefined
  /** The characters of a line. */
  columns?: number
}

/** Runs a command with this Redis in REDIS_URL, which is unset if it is empty. */
export async function command(url: string, args: readonly string[], settings: Settings = {}): Promise<Ended> {
  const { answer, columns, env = {}, isColoured = false, isTerminal = false } = settings
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const outputs = [text(stdout), text(stderr)]
  if (answer === undefined) stdin.end()
  else stdin.write(`${answer}\n`)
  const code = await run(args, {
    stdin: Object.assign(stdin, { isTTY: isTerminal }),
    stdout: Object.assign(stdout, {
      ...(columns !== undefined && { columns }),
      isTTY: isColoured,
      hasColors: (environment: { NO_COLOR?: string }) => environment.NO_COLOR === undefined
    }),
    stderr: Object.assign(stderr, { isTTY: isTerminal }),
    env: { ...(url !== '' && { REDIS_URL: url }), ...env }
  })
  for (const stream of [stdout, stderr]) stream.end()
  const [out = '', err = ''] = await Promise.all(outputs)
  return { code, stdout: out, stderr: err }
}

/** The JSON lines of a command. */
export async function json<Line = Record<string, unknown>>(
  url: string,
  args: readonly string[]
): Promise<Line[]> {
  const { stdout } = await command(url, [...args, '--json'])
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

/** Starts the program. */
export function start(url: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [...process.execArgv, BIN, ...args], {
    env: { ...process.env, REDIS_URL: url },
    stdio: ['ignore', 'pipe', 'pipe']
  })
}

/** Runs the program until it ends. */
export async function program(url: string, args: readonly string[]): Promise<Ended> {
  const child = start(url, args)
  const outputs = [child.stdout, child.stderr].map((stream) => text(stream as NodeJS.ReadableStream))
  const [[code], stdout = '', stderr = ''] = await Promise.all([once(child, 'close'), ...outputs])
  return { code, stdout, stderr }
}
