// Moves a session to a new id: writes the new record first, then a tombstone in place of the old one. The session
// exists at every instant, and only this response learns the new id.

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
  /** The record that is already stored under the new id. */
  #successor: Successor | undefined

  constructor(state: SessionState, records: Records, writes: Writes, observer: SessionObserver | undefined) {
    this.#state = state
    this.#records = records
    this.#writes = writes
    this.#observer = observer
  }

  /** @param stored The record to replace with a tombstone. */
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

  // Creates the new record. On a further try it is updated, since others may have changed the session meanwhile.
  async #place(record: SessionRecord): Promise<Successor> {
    const placed = this.#successor
    const { nextId, nextHandle } = this.#state
    const { id, handle } = placed ?? { id: nextId, handle: nextHandle }
    try {
      await this.#observer?.moved?.(this.#state.handle, handle, record)
      const outcome = await this.#writes.sendUntracked(
        (): Promise<Outcome> =>
          placed === undefined
            ? this.#records.create(handle, record)
            : this.#records.update(handle, placed.record.revision, record)
      )
      if (outcome !== 'done')
        throw new ConflictError(handle, 'its new record was changed before the move was complete')
      this.#successor = { id, handle, record }
      return this.#successor
    } catch (error) {
      if (placed === undefined) this.#renew(id)
      throw error
    }
  }

  /** The handle of the new record, while it is unknown whether it replaced the old one. */
  get pending(): string | undefined {
    return this.#successor?.handle
  }

  /** Completes the move: the tombstone is stored. */
  finish(): void {
    const successor = this.#successor
    if (successor !== undefined) this.#state.settle(successor.id, successor.handle, successor.record)
    this.#successor = undefined
    this.#writes.settle()
  }

  /** Ends the move after its commit has failed. */
  async giveUp(cookie: SessionCookie): Promise<void> {
    if (this.#successor === undefined) return
    // The browser keeps the old id. If a tombstone leads to the offered one, the next request uses that.
    if (this.#writes.mayHaveMoved) cookie.offer(this.#successor.id)
    else await this.undo()
  }

  /** Removes the new record, unless it may have replaced the old one. If that fails, the record expires unused. */
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
