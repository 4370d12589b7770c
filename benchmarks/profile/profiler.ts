// The CPU profiler of this process, as `node --cpu-prof` uses it.
import { Session } from 'node:inspector/promises'
import { type Shares, sharesOf } from './shares.js'

/** Microseconds between two samples. A turn of the event loop takes about a millisecond. */
const INTERVAL = 100

const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.setSamplingInterval', { interval: INTERVAL })

export async function startProfile(): Promise<void> {
  await session.post('Profiler.start')
}

export async function stopProfile(): Promise<Shares> {
  const { profile } = await session.post('Profiler.stop')
  return sharesOf(profile)
}
