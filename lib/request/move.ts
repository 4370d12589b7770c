// A session gets a new id: first the new record, then the tombstone in place of the old one. At no instant is there no
// session, and once the old id leads nowhere the new one is known to nobody but this response.

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
  /** What stands under a new id already. */
  #successor: Successor | undefined

  constructor(parts: RequestParts, writes: Writes) {
    this.#parts = parts
    this.#writes = writes
  }

  /** @param stored The record that is to be replaced. */
  async attempt(stored: SessionRecord, sent: SentWrite): Promise<Outcome> {
    const state = this.#parts.state
    const { handle } = await this.#place(sent.record)
    const tombstone = this.#parts.records.tombstoneOf(stored, handle)
    const outcome = await this.#writes.sendTombstone(
      () => this.#parts.records.update(state.handle, stored.revision, tombstone),
      { ...sent, record: tombstone }
    )
    if (outcome === 'done') this.finish()
    else if (outcome === 'missing') await this.undo()
    return outcome
  }

  // Others may have changed the session since a first try: the new record then gets that, too.
  async #place(record: SessionRecord): Promise<Successor> {
    const placed = this.#successor
    const { nextId, nextHandle } = this.#parts.state
    const { id, handle } = placed ?? { id: nextId, handle: nextHandle }
    try {
      await this.#parts.context.observer?.moved?.(this.#parts.state.handle, handle, record)
      const outcome = await this.#writes.sendAnyway(
        (): Promise<Outcome> =>
          placed === undefined
            ? this.#parts.records.create(handle, record)
            : this.#parts.records.update(handle, placed.record.revision, record)
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
    if (successor !== undefined) this.#parts.state.settle(successor.id, successor.handle, successor.record)
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
      await this.#parts.records.remove(successor.handle, successor.record.revision)
    } catch {}
  }

  #renew(id: string): void {
    if (this.#parts.state.nextId === id) this.#parts.state.renew()
  }
}
