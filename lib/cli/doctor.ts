// `doctor`: whether Redis can keep sessions, by the checks of the plugin's start.
import { Buffer } from 'node:buffer'
import { now } from '../clock.js'
import { visible } from '../data/key-names.js'
import { within } from '../deadline.js'
import { UnavailableError } from '../errors.js'
import { serverOf } from '../plugin/servers.js'
import {
  clockSkew,
  MAX_CLOCK_SKEW,
  newProbeKey,
  probeIndex,
  probeStore,
  readFacts
} from '../plugin/start-up.js'
import { openRecords } from '../sessions/access.js'
import { addressOf } from '../stores/address.js'
import { type RedisClient, RedisStore } from '../stores/redis.js'
import type { Store } from '../stores/store.js'
import { duration } from './format.js'
import { EXIT, type ExitCode } from './io.js'
import { table } from './table.js'
import type { Target } from './target.js'
import type { Terminal } from './terminal.js'

/** Milliseconds after which Redis removes a record that a check could not remove. */
const PROBE_LIFETIME = 5_000
/** Samples of the time of a round trip. */
const PINGS = 50

interface Finding {
  what: string
  /** `note`: what only some applications need, or cannot be told. */
  state: 'ok' | 'note' | 'warning' | 'problem'
  detail: string
}

interface Node extends RedisClient {
  nodes?(role: 'master'): Node[]
  ping?(): Promise<unknown>
}

export async function doctor(target: Target, terminal: Terminal): Promise<ExitCode> {
  const findings: Finding[] = []
  for await (const finding of findingsOf(target)) {
    findings.push(finding)
    if (!terminal.json) await terminal.print(lineOf(terminal, finding))
  }
  const isHealthy = findings.every(({ state }) => state === 'ok' || state === 'note')
  if (terminal.json) await terminal.printJson({ healthy: isHealthy, findings })
  return isHealthy ? EXIT.ok : EXIT.problems
}

async function* findingsOf(target: Target): AsyncGenerator<Finding, void> {
  const { client, context } = target as Target & { client: Node }
  for (const check of checksOf(target)) {
    const finding = await findingOf(check, context.timeout)
    yield finding
    // The others would only say the same.
    if (finding.state === 'problem') return
  }
  for (const node of client.nodes?.('master') ?? [client]) yield* findingsAbout(node)
}

interface Check {
  what: string
  good: string
  /** What it is if the work fails. */
  otherwise: 'note' | 'problem'
  work(): Promise<unknown>
}

function checksOf({ client, context, store }: Target): Check[] {
  const { prefix } = context
  const [key, userKey] = [prefix + newProbeKey(), `${prefix}user:${newProbeKey()}`]
  return [
    {
      what: 'records',
      good: 'can be read and written',
      otherwise: 'problem',
      work: () => probeStore(store, key)
    },
    {
      what: 'list',
      good: 'keys can be listed (SCAN)',
      otherwise: 'note',
      work: () => openRecords(context).store.keys(key).next()
    },
    {
      what: 'publish',
      good: 'live connections can be told of an end (PUBLISH)',
      otherwise: 'note',
      async work() {
        await store.create(key, Buffer.alloc(1), Date.now() + PROBE_LIFETIME)
        await new RedisStore(client, { channel: `${prefix}ended` }).end(key)
      }
    },
    {
      what: 'users',
      good: 'the option user can be used',
      otherwise: 'note',
      work: () => probeIndex(store as Store as Required<Store>, userKey)
    }
  ]
}

async function findingOf({ good, otherwise, what, work }: Check, timeout: number): Promise<Finding> {
  try {
    const late = () => new UnavailableError(what, `no answer within ${timeout} ms`)
    await within(now() + timeout, work(), late)
    return { what, state: 'ok', detail: good }
  } catch (error) {
    return { what, state: otherwise, detail: (error as Error).message }
  }
}

async function* findingsAbout(node: Node): AsyncGenerator<Finding, void> {
  const address = addressOf(node)
  const facts = await readFacts(node)
  if (facts === undefined) {
    yield { what: 'server', state: 'note', detail: `${address} does not say what it is: allow INFO` }
  } else {
    const { name, version, warning } = serverOf(facts, address)
    yield warning === undefined
      ? { what: 'server', state: 'ok', detail: `${name} ${version} at ${address}` }
      : { what: 'server', state: 'warning', detail: warning }
    const policy = facts.get('maxmemory_policy') ?? 'unknown'
    yield policy === 'noeviction'
      ? { what: 'eviction', state: 'ok', detail: policy }
      : { what: 'eviction', state: 'warning', detail: `${policy}: set maxmemory-policy noeviction` }
  }
  yield await latencyOf(node)
  yield clockFinding(await clockSkew(node))
}

async function latencyOf(node: Node): Promise<Finding> {
  const times: number[] = []
  try {
    for (let round = 0; round < PINGS; round++) {
      const sentAt = now()
      await node.ping?.()
      times.push(now() - sentAt)
    }
  } catch {
    return { what: 'latency', state: 'note', detail: 'unknown: allow PING' }
  }
  times.sort((a, b) => a - b)
  const [middle, worst] = [times[PINGS / 2] ?? 0, times.at(-1) ?? 0]
  return {
    what: 'latency',
    state: 'ok',
    detail: `${middle.toFixed(2)} ms, at most ${worst.toFixed(2)} ms in ${PINGS} round trips`
  }
}

function clockFinding(skew: number | undefined): Finding {
  if (skew === undefined) return { what: 'clock', state: 'note', detail: 'unknown: allow TIME' }
  if (skew <= MAX_CLOCK_SKEW)
    return { what: 'clock', state: 'ok', detail: `differs by less than ${duration(skew + 1_000)}` }
  return { what: 'clock', state: 'warning', detail: `differs by ${duration(skew)}: synchronize the clocks` }
}

const SIGNS = {
  ok: ['green', '✓'],
  note: ['dim', '·'],
  warning: ['yellow', '!'],
  problem: ['red', '✗']
} as const

function lineOf(terminal: Terminal, { detail, state, what }: Finding): string {
  const [style, sign] = SIGNS[state]
  const row = [[terminal.paint(style, sign), what, visible(detail)]]
  return table([{ head: '' }, { head: '', width: 8 }, { head: '' }], row, false)
}
