// Moves a session to a new id: writes the new record first, then a tombstone in place of the old one. The session
// exists at every instant, and only this response learns the new id.

import type { SessionCookie } from '../cookies/session-cookie.js'
import { ConflictError } from '../errors.js'
import type { SessionRecord } from '../records/record.js'
import type { Outcome } from '../stores/store.js'
import type { RequestParts } from './parts.js'
import type { SentWrite, Writes } from './writes.js'

interface Successor {
  id: string
  handle: string
  record: SessionRecord
}

export class Move {
  readonly #parts: RequestParts
  readonly #writes: Writes
  /** The record that is already stored under the new id. */
  #successor: Successor | undefined

  constructor(parts: RequestParts, writes: Writes) {
    this.#parts = parts
    this.#writes = writes
  }

  /** @param stored The record to replace with a tombstone. */
  async attempt(stored: SessionRecord, sent: SentWrite): Promise<Outcome> {
    const state = this.#parts.state
    const keepsData = state.draft.keep === true
    const { context } = this.#parts
    const from = state.handle
    const { handle } = await this.#place(sent.record, stored)
    const tombstone = this.#parts.records.tombstoneOf(stored, handle, keepsData)
    const outcome = await this.#writes.sendTombstone(
      () => this.#parts.records.update(from, stored.revision, tombstone),
      { ...sent, record: tombstone }
    )
    if (outcome === 'done') {
      this.finish()
      if (context.observer !== undefined) {
        await context.observer.replaced?.(from, undefined, stored, this.#parts)
      }
    } else if (outcome === 'missing') {
      this.#writes.findNothing()
      await this.undo()
    }
    return outcome
  }

  // Creates the new record. On a further try it is updated, since others may have changed the session meanwhile.
  async #place(record: SessionRecord, stored: SessionRecord): Promise<Successor> {
    const placed = this.#successor
    const { nextId, nextHandle } = this.#parts.state
    const { id, handle } = placed ?? { id: nextId, handle: nextHandle }
    try {
      const { observer } = this.#parts.context
      await observer?.moved?.(this.#parts.state.handle, handle, record, stored, this.#parts)
      const { records } = this.#parts
      const outcome =
        placed === undefined
          ? await this.#writes.sendNew(() => records.create(handle, record))
          : await this.#writes.sendUntracked(() => records.update(handle, placed.record.revision, record))
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
    if (successor !== undefined) this.#parts.state.settle(successor.id, successor.handle, successor.record)
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
      await this.#parts.records.remove(successor.handle, successor.record.revision)
    } catch {}
  }

  #renew(id: string): void {
    if (this.#parts.state.nextId === id) this.#parts.state.renew()
  }
}
