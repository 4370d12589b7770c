// All attacks on a serializer, in a process that they may end or block.
import { Buffer } from 'node:buffer'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Serializer } from '../serializers/serializer.js'
import type { Attack } from './attacks.js'
import type { Report } from './victim.js'

/** How long one attack may take on a slow and busy machine, in milliseconds. */
const PATIENCE = 20_000
/** The same for the process to load the serializer. */
const PATIENCE_TO_LOAD = 60_000
/** Milliseconds of CPU that one attack may take. */
const MOST_CPU = 3_000
/** How many MB the process may grow during all attacks. */
const MOST_MEMORY = 300
/** A serializer that fails so often needs no further attacks. */
const MOST_HARMS = 10
const MEGABYTES = 512

export interface Besieged {
  serializer: Serializer
  /** The module that exports it. */
  module: URL | string
  /** Attacks on its format. */
  attacks: readonly Attack[]
  /** Options of Node for the process, such as a loader. */
  execArgv: readonly string[]
  /** Ends the process. */
  signal: AbortSignal
}

export interface Siege {
  /** What the process encodes a sample to, in hex. */
  sample: string
  attacks: number
  /** The attacks that did harm, and which. */
  harms: readonly string[]
}

/** @throws if one attack takes too long, or ends the process. */
export async function besiege({
  serializer,
  module,
  attacks: own,
  execArgv,
  signal
}: Besieged): Promise<Siege> {
  // The same folder, and the same kind of file: sources, or what was built of them.
  const victim = fileURLToPath(import.meta.url.replace(/siege(\.\w+)$/, 'victim$1'))
  const child = spawn(
    process.execPath,
    [
      ...execArgv,
      `--max-old-space-size=${MEGABYTES}`,
      victim,
      String(module),
      serializer.name,
      String(serializer.tag)
    ],
    // The options of a test runner are not meant for this process.
    { env: { ...process.env, NODE_OPTIONS: '' }, stdio: ['pipe', 'pipe', 'inherit'] }
  )
  const exit = once(child, 'exit')
  // It may end before it reads them, which its exit code tells.
  child.stdin.on('error', () => {})
  child.stdin.end(JSON.stringify(own.map(({ name, bytes }) => [name, Buffer.from(bytes).toString('base64')])))
  const harms: string[] = []
  let [sample, current, attacks, isLate] = ['', '', 0, false]
  const giveUp = () => {
    isLate = true
    child.kill('SIGKILL')
  }
  signal.addEventListener('abort', giveUp)
  let watchdog = setTimeout(giveUp, PATIENCE_TO_LOAD)
  for await (const line of createInterface(child.stdout)) {
    clearTimeout(watchdog)
    watchdog = setTimeout(giveUp, PATIENCE)
    const said: string | { sample: string } | Report = JSON.parse(line)
    if (typeof said === 'string') current = said
    else if ('sample' in said) sample = said.sample
    else {
      attacks++
      const harm = harmOf(said)
      if (harm !== undefined) harms.push(harm)
      if (harms.length === MOST_HARMS) break
    }
  }
  clearTimeout(watchdog)
  if (harms.length === MOST_HARMS) {
    child.kill('SIGKILL')
    return { sample, attacks, harms }
  }
  const [code] = await exit
  const during = current === '' ? 'before the first attack' : `during the attack "${current}"`
  if (isLate) throw new Error(`the serializer takes too long ${during}: decode() must end in bounded time`)
  if (code !== 0) throw new Error(`the process of the serializer ended ${during}; its output says why`)
  return { sample, attacks, harms }
}

function harmOf({ name, outcome, harm, cpu, megabytes, hex }: Report): string | undefined {
  const attack = `"${name}", which was ${outcome}${hex === undefined ? '' : ` (bytes ${hex})`}`
  if (harm !== undefined) return `after ${attack}: ${harm}`
  if (cpu > MOST_CPU)
    return `${attack}, took ${cpu} ms of CPU: bound what decode() builds before it builds it`
  if (megabytes > MOST_MEMORY)
    return `${attack}: the process has grown by ${megabytes} MB: check lengths before you allocate`
  return undefined
}
