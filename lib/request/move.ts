// A session gets a new id: first the new record, then the tombstone in place of the old one. At no instant is there no
// session, and once the old id leads nowhere the new one is known to nobody but this response.

import type { SessionCookie } from '../cookies/session-cookie.js'
import { ConflictError } from '../errors.js'
import type { SessionRecord } from '../records/record.js'
import type { Records } from '../records/records.js'
import type { Outcome } from '../stores/store.js'
import type { SessionObserver } from './observer.js'
import type { SessionState } from './state.js'
import type { SentWrite, Writes } from './writes.js'

interface Successor {
  id: string
  handle: string
  record: SessionRecord
}

export class Move {
  readonly #state: SessionState
  readonly #records: Records
  readonly #writes: Writes
  readonly #observer: SessionObserver | undefined
  /** What stands under a new id already. */
  #successor: Successor | undefined

  constructor(state: SessionState, records: Records, writes: Writes, observer: SessionObserver | undefined) {
    this.#state = state
    this.#records = records
    this.#writes = writes
    this.#observer = observer
  }

  /** @param stored The record that is to be replaced. */
  async attempt(stored: SessionRecord, sent: SentWrite): Promise<Outcome> {
    const state = this.#state
    const { handle } = await this.#place(sent.record)
    const tombstone = this.#records.tombstoneOf(stored, handle)
    const outcome = await this.#writes.sendTombstone(
      () => this.#records.update(state.handle, stored.revision, tombstone),
      { ...sent, record: tombstone }
    )
    if (outcome === 'done') this.finish()
    else if (outcome === 'missing') await this.undo()
    return outcome
  }

  // Others may have changed the session since a first try: the new record then gets that, too.
  async #place(record: SessionRecord): Promise<Successor> {
    const placed = this.#successor
    const { nextId, nextHandle } = this.#state
    const { id, handle } = placed ?? { id: nextId, handle: nextHandle }
    try {
      await this.#observer?.moved?.(this.#state.handle, handle, record)
      const outcome = await this.#writes.sendAnyway(
        (): Promise<Outcome> =>
          placed === undefined
            ? this.#records.create(handle, record)
            : this.#records.update(handle, placed.record.revision, record)
      )
      if (outcome !== 'done')
        throw new ConflictError(handle, 'its record was changed before it took the place')
      this.#successor = { id, handle, record }
      return this.#successor
    } catch (error) {
      if (placed === undefined) this.#renew(id)
      throw error
    }
  }

  /** The handle of what stands under a new id, while nobody knows whether it took the place of the old one. */
  get pending(): string | undefined {
    return this.#successor?.handle
  }

  /** The tombstone stands. */
  finish(): void {
    const successor = this.#successor
    if (successor !== undefined) this.#state.settle(successor.id, successor.handle, successor.record)
    this.#successor = undefined
    this.#writes.settle()
  }

  /** The commit has failed. */
  async giveUp(cookie: SessionCookie): Promise<void> {
    if (this.#successor === undefined) return
    // The browser keeps the old id, and takes the new one if a tombstone leads there.
    if (this.#writes.mayHaveMoved) cookie.offer(this.#successor.id)
    else await this.undo()
  }

  /** Removes the new record, unless it may be in place. Nobody has its id: if that fails, it ends by itself. */
  async undo(): Promise<void> {
    const successor = this.#successor
    if (successor === undefined || this.#writes.mayHaveMoved) return
    this.#successor = undefined
    this.#renew(successor.id)
    try {
      await this.#records.remove(successor.handle, successor.record.revision)
    } catch {}
  }

  #renew(id: string): void {
    if (this.#state.nextId === id) this.#state.renew()
  }
}
