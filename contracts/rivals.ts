// Several processes change one record at the same time.
import { Buffer } from 'node:buffer'
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { REVISION, type Store } from '../lib/stores/store.js'
import { later, recordOf, revision } from './records.js'

const CHANGES = 100
/** Milliseconds between two changes, at most. */
const PAUSE = 20
const MAX_TRIES = 100 * CHANGES
const PROCESSES = 2

/**
 * Changes the record from one revision to the next, a few hundred times, or until the signal aborts.
 * @returns How many changes the store has taken.
 */
export async function increment(store: Store, key: string, signal?: AbortSignal): Promise<number> {
  // No two processes write the same bytes: a store may take those for its own.
  const name = randomBytes(16)
  let [changes, number] = [0, 0]
  for (let tries = 1; tries <= MAX_TRIES && changes < CHANGES && !signal?.aborted; tries++) {
    const outcome = await store.update(key, revision(number), recordOf(number + 1, name), later())
    if (outcome === 'missing') break
    if (outcome === 'done') changes++
    number = outcome === 'done' ? number + 1 : numberOf(outcome)
    // A database that is locked all the time would refuse the others.
    await sleep(Math.random() * PAUSE)
  }
  return changes
}

/**
 * @param key Of the record 0.
 * @returns How many changes the processes made, and how many of them the record has.
 */
export async function compete(
  store: Store,
  key: string,
  module: URL | string,
  execArgv: readonly string[],
  signal: AbortSignal
): Promise<{ made: number; kept: number }> {
  // The same folder, and the same kind of file: sources, or what was built of them.
  const rival = fileURLToPath(import.meta.url.replace(/rivals(\.\w+)$/, 'rival$1'))
  const children = Array.from({ length: PROCESSES }, () =>
    fork(rival, [String(module), key], {
      execArgv: [...execArgv],
      // The options of a test runner are not meant for this process.
      env: { ...process.env, NODE_OPTIONS: '' }
    })
  )
  const answersOfAll = () =>
    Promise.all(
      children.map(async (child) => {
        const ended = once(child, 'exit', { signal }).then(() => {
          throw new Error('a process that opens the store has ended; its output says why')
        })
        const said = once(child, 'message', { signal })
        const [message] = (await Promise.race([said, ended])) as [number]
        return message
      })
    )
  try {
    await answersOfAll()
    const answers = answersOfAll()
    for (const child of children) child.send('go')
    const [own, others] = await Promise.all([increment(store, key, signal), answers])
    const made = others.reduce((sum, changes) => sum + changes, own)
    const record = await store.read(key)
    return { made, kept: record === undefined ? 0 : numberOf(record) }
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

function numberOf(record: Uint8Array): number {
  return Buffer.from(record).readUInt32BE(REVISION.offset + REVISION.length - 4)
}
