// Faults of a single server and of the network in front of it.
import { setTimeout as sleep } from 'node:timers/promises'
import { type SingleServer, startSingle } from '../support/durable-server.js'
import { Wire } from '../support/wire.js'
import { COMMON, type Engine, type Fault, none, type Scenario } from './fault.js'

/** Milliseconds after a fault within which requests must succeed again. */
const SOON = 1_000
/** The default of the plugin's option `circuitBreaker.openFor`. */
const OPEN_FOR = 1_000
const MEGABYTE = 2 ** 20

interface Single extends Engine {
  server: SingleServer
  wire: Wire
}

async function openSingle(isDurable: boolean): Promise<Single> {
  const server = await startSingle(isDurable)
  const wire = new Wire(server.port)
  return {
    redis: `redis://127.0.0.1:${await wire.listen()}`,
    server,
    wire,
    async close() {
      await wire.close()
      await server.stop()
    }
  }
}

async function kill({ server }: Single, ms: number): Promise<void> {
  await server.signal('SIGKILL')
  await sleep(ms)
  await server.restart()
}

async function freeze({ server }: Single, ms: number): Promise<void> {
  await server.signal('SIGSTOP')
  await sleep(ms)
  await server.signal('SIGCONT')
  await server.client.ping()
}

function networkFault(name: string, strike: (wire: Wire) => void): Fault<Single> {
  return {
    name,
    recovery: SOON,
    async strike({ wire }, ms) {
      strike(wire)
      await sleep(ms)
      wire.heal()
    }
  }
}

const silent = networkFault('connections silent', (wire) => wire.silence())

/** Delays every packet by this many milliseconds in each direction. */
function away(ms: number): Fault<Single> {
  return networkFault(`${ms} ms away`, (wire) => {
    wire.slowCommands = ms
    wire.slowAnswers = ms
  })
}

/** Repeats the flush, so that some flushes hit a script between its loading and its use. */
async function flushScripts({ server }: Single, ms: number): Promise<void> {
  const until = performance.now() + ms
  while (performance.now() < until) {
    await server.client.script('FLUSH')
    await sleep(20)
  }
}

/** Fills the server with keys of another application, which Redis may not evict. */
async function fillMemory({ server: { client } }: Single, ms: number): Promise<void> {
  const used = Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1])
  await client.config('SET', 'maxmemory-policy', 'noeviction')
  await client.config('SET', 'maxmemory', used + 2 * MEGABYTE)
  const keys: string[] = []
  try {
    for (;;) {
      const key = `ballast:${keys.length}`
      keys.push(key)
      await client.set(key, 'x'.repeat(MEGABYTE / 16))
    }
  } catch {
    // Commands need some memory themselves. With a lower limit the server is full even without them.
    await client.config('SET', 'maxmemory', used + MEGABYTE)
  }
  await sleep(ms)
  await client.del(keys)
  await client.config('SET', 'maxmemory', 0)
}

/** Delays writes but answers reads, as Redis itself does for a moment before a failover. */
async function pauseWrites({ server: { client } }: Single, ms: number): Promise<void> {
  await client.call('CLIENT', 'PAUSE', ms, 'WRITE')
  await sleep(ms)
}

export const durable: Scenario<Single> = {
  name: 'one server, appendfsync always',
  session: COMMON,
  open: () => openSingle(true),
  faults: [
    none,
    { name: 'killed, restarted', recovery: SOON, strike: kill },
    { name: 'frozen', recovery: SOON, strike: freeze },
    { name: 'writes paused', recovery: SOON, strike: pauseWrites },
    networkFault('connections cut', (wire) => wire.refuse()),
    silent,
    away(50),
    away(600),
    { name: 'scripts flushed', recovery: 0, strike: flushScripts },
    { name: 'memory full', recovery: SOON, strike: fillMemory }
  ]
}

// The probe that finds Redis again comes up to OPEN_FOR later.
const probed = { recovery: SOON + OPEN_FOR, failsFast: true }
export const guarded: Scenario<Single> = {
  name: 'one server, circuitBreaker',
  session: { ...COMMON, circuitBreaker: true },
  open: () => openSingle(true),
  faults: [
    none,
    { name: 'killed, restarted', strike: kill, ...probed },
    { name: 'frozen', strike: freeze, ...probed },
    { ...silent, ...probed },
    { ...away(600), ...probed }
  ]
}

export const volatile: Scenario<Single> = {
  name: 'one server, nothing persisted',
  session: { ...COMMON, detectRollback: true },
  open: () => openSingle(false),
  faults: [none, { name: 'killed, restarted empty', recovery: SOON, mayLose: true, strike: kill }]
}
