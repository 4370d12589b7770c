// A session gets a new id: first the new record, then the tombstone in place of the old one. At no instant is there no
// session, and once the old id leads nowhere the new one is known to nobody but this response.
import { ConflictError } from './errors.js'
import type { Held } from './held.js'
import type { SessionRecord } from './record.js'
import type { Records } from './records.js'
import type { SessionCookie } from './session-cookie.js'
import type { Outcome } from './stores/store.js'
import type { Sent, Writes } from './writes.js'

export class Move {
  readonly #held: Held
  readonly #records: Records
  readonly #writes: Writes
  /** What stands under the next id already. */
  #successor: SessionRecord | undefined

  constructor(held: Held, records: Records, writes: Writes) {
    this.#held = held
    this.#records = records
    this.#writes = writes
  }

  /** @param stored The record that is to be replaced. */
  async attempt(stored: SessionRecord, sent: Sent): Promise<Outcome> {
    const held = this.#held
    await this.#place(sent.record)
    const tombstone = this.#records.tombstoneOf(stored, held.nextHandle)
    const outcome = await this.#writes.sendTombstone(
      () => this.#records.update(held.handle, stored.revision, tombstone),
      { ...sent, record: tombstone }
    )
    if (outcome === 'done') this.finish()
    else if (outcome === 'missing') await this.undo()
    return outcome
  }

  // Others may have changed the session since a first try: the new record then gets that, too.
  async #place(record: SessionRecord): Promise<void> {
    const { nextHandle } = this.#held
    const placed = this.#successor
    try {
      const outcome = await this.#writes.sendAnyway(
        (): Promise<Outcome> =>
          placed === undefined
            ? this.#records.create(nextHandle, record)
            : this.#records.update(nextHandle, placed.revision, record)
      )
      if (outcome !== 'done')
        throw new ConflictError(nextHandle, 'its record was changed before anybody knew its id')
      this.#successor = record
    } catch (error) {
      if (placed === undefined) this.#held.renew()
      throw error
    }
  }

  /** The tombstone stands. */
  finish(): void {
    if (this.#successor !== undefined) this.#held.settle(this.#successor)
    this.#successor = undefined
    this.#writes.settle()
  }

  /** The commit has failed. */
  async giveUp(cookie: SessionCookie): Promise<void> {
    if (this.#successor === undefined) return
    // The browser keeps the old id, and takes the new one if a tombstone leads there.
    if (this.#writes.mayHaveMoved) cookie.offer(this.#held.nextId)
    else await this.undo()
  }

  /** Removes the new record. Nobody has its id: if that fails, it ends by itself. */
  async undo(): Promise<void> {
    const successor = this.#successor
    if (successor === undefined) return
    const { nextHandle } = this.#held
    this.#successor = undefined
    this.#held.renew()
    try {
      await this.#records.remove(nextHandle, successor.revision)
    } catch {}
  }
}
