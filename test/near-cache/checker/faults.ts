// Networks between processes and servers, and the faults of any Redis.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { RedisServer } from '../../support/redis-server.js'
import { Wire } from '../../support/wire.js'
import type { Way } from './clients.js'

/** Of one process, to one server. */
export type Network = Record<Way, { wire: Wire; port: number }>

/** A server, and the network of each process to it. */
export interface Route {
  server: RedisServer
  networks: Network[]
}

/** Happens, and is over when it resolves. Most last for so many milliseconds. */
export type Fault = (ms: number) => Promise<unknown>

/** What the processes share, and what can happen to it. */
export interface Stage {
  /** To each server. */
  routes: Route[]
  faults: Record<string, Fault>
}

/** What the faults need of a server. */
export const SERVER_FLAGS = ['--enable-debug-command', 'yes']

export async function openRoute(test: Test, server: RedisServer, processes: number): Promise<Route> {
  const line = async () => {
    const wire = new Wire(server.port)
    test.teardown(() => wire.close())
    return { wire, port: await wire.listen() }
  }
  const network = async () => ({ data: await line(), tracking: await line(), direct: await line() })
  return { server, networks: await Promise.all(Array.from({ length: processes }, network)) }
}

/** @param target Chooses the server that a fault strikes. */
export function commonFaults(target: () => Promise<Route>, random: () => number): Record<string, Fault> {
  /** Something happens to the networks of some of the processes, for so many milliseconds. */
  const strike = async (way: Way, happen: (wire: Wire) => void, ms = 0): Promise<void> => {
    const { networks } = await target()
    const first = Math.floor(random() * networks.length)
    const struck = networks.filter((_, index) => index === first || random() < 0.3)
    const wires = struck.map((network) => network[way].wire)
    wires.forEach(happen)
    await sleep(ms)
    for (const wire of wires) wire.heal()
  }
  const ask = async (...command: [string, ...string[]]) => (await target()).server.client.call(...command)
  return {
    'no fault': (ms) => sleep(ms),
    'tracking cut': () => strike('tracking', (wire) => wire.cut()),
    'tracking refused': (ms) => strike('tracking', (wire) => wire.refuse(), ms),
    'tracking half open': (ms) => strike('tracking', (wire) => wire.silence(), ms),
    'tracking frozen': (ms) => strike('tracking', (wire) => wire.freeze(), ms),
    'tracking late by more than the bound': (ms) => strike('tracking', slow(ms), ms),
    'tracking a little late': (ms) => strike('tracking', slow(ms / 20), ms),
    'data cut': () => strike('data', (wire) => wire.cut()),
    'data refused': (ms) => strike('data', (wire) => wire.refuse(), ms),
    'data half open': (ms) => strike('data', (wire) => wire.silence(), ms),
    'data frozen': (ms) => strike('data', (wire) => wire.freeze(), ms),
    'data a little late': (ms) => strike('data', slow(ms / 20), ms),
    'all tracking connections killed': () => ask('CLIENT', 'KILL', 'TYPE', 'pubsub'),
    'all data connections killed': () => ask('CLIENT', 'KILL', 'TYPE', 'normal'),
    'all keys removed': () => ask('FLUSHALL'),
    'Redis stands still': (ms) => ask('DEBUG', 'SLEEP', String(ms / 1_000))
  }
}

function slow(ms: number): (wire: Wire) => void {
  return (wire) => {
    wire.slowAnswers = ms
  }
}
