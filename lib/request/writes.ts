// The writes of one request whose outcome is unknown. A write whose answer is lost is sent again, and recognised by its
// nonce: it takes effect once, or fails as uncertain.

import { isRefusal, NotReplicatedError, UncertainError } from '../errors.js'
import { includes, isSame, type Lineage } from '../records/lineage.js'
import type { SessionRecord } from '../records/record.js'
import type { Snapshot } from '../session/draft.js'
import type { Outcome } from '../stores/store.js'
import type { Plan } from './plan.js'

/** How often a write is sent again after its answer was lost. */
const MAX_RESENDS = 2

/** A write: its record, its plan, and the draft at that time. */
export interface SentWrite {
  record: SessionRecord
  plan: Plan
  snapshot: Snapshot
}

export class Writes {
  /** Writes of the record that may have taken place. */
  #unanswered: SentWrite[] = []
  /** Tombstones that may be stored under the old id. */
  #tombstones: SentWrite[] = []
  /** The error that says why the outcome is unknown. */
  #uncertainty: unknown
  /** The write that was sent last. A client may have sent it twice unnoticed. */
  #last: SentWrite | undefined
  #isUnconfirmed = false
  /** A record under a new id, which no browser knows, may be stored. */
  #mayBeCreated = false
  /** The writes of the commit that is under way. */
  #current: SentWrite[] = []

  /** It is unknown whether a write of this request is stored, or whether replicas have it. */
  get isUnsettled(): boolean {
    return this.#unanswered.length > 0 || this.mayHaveMoved || this.#isUnconfirmed
  }

  /** A tombstone of this request may be stored under the old id. */
  get mayHaveMoved(): boolean {
    return this.#tombstones.length > 0
  }

  /** A commit begins. */
  begin(): void {
    this.#current = []
  }

  /** Whether this write of the commit that is under way leaves nothing to do, not even to be confirmed. */
  isCurrent(sent: SentWrite): boolean {
    return !this.#isUnconfirmed && this.#current.includes(sent)
  }

  /** The error that the request fails with. A refusal of this try says nothing about an earlier one. */
  errorOf(error: unknown): unknown {
    return this.isUnsettled || this.#mayBeCreated ? this.#uncertainty : error
  }

  /** Sends the record of a session. */
  send(write: () => Promise<Outcome>, sent: SentWrite): Promise<Outcome> {
    return this.#send(write, sent, this.#unanswered)
  }

  sendTombstone(write: () => Promise<Outcome>, sent: SentWrite): Promise<Outcome> {
    return this.#send(write, sent, this.#tombstones)
  }

  /** Sends the record of a new id, which no other request knows. */
  async sendNew(write: () => Promise<Outcome>): Promise<Outcome> {
    try {
      const outcome = await this.#send(write)
      this.#mayBeCreated = false
      return outcome
    } catch (error) {
      this.#mayBeCreated ||= !isRefusal(error)
      throw error
    }
  }

  /** Sends a write that no other request can conflict with, or that may happen twice without harm. */
  sendUntracked(write: () => Promise<Outcome>): Promise<Outcome> {
    return this.#send(write)
  }

  /** @param unanswered Gets the write if its outcome stays unknown. */
  async #send(
    write: () => Promise<Outcome>,
    sent?: SentWrite,
    unanswered: SentWrite[] = []
  ): Promise<Outcome> {
    let uncertainty: unknown
    this.#last = sent
    // Not pushed: a list that grows takes room for many.
    if (sent !== undefined) this.#current = [...this.#current, sent]
    for (let resends = 0; ; resends++) {
      try {
        const outcome = await write()
        // After a conflict, the record that is stored shows whether this write came before it.
        if (outcome === 'done') this.#last = undefined
        else if (uncertainty !== undefined && sent !== undefined) unanswered.push(sent)
        return outcome
      } catch (reason) {
        const error = reason ?? new UncertainError('commit', 'no reason')
        const isRefused = isRefusal(error)
        if (!isRefused) {
          uncertainty ??= error
          this.#uncertainty = uncertainty
        }
        if (!isRefused && error instanceof UncertainError && resends < MAX_RESENDS) continue
        if (uncertainty === undefined) throw error
        if (sent !== undefined) unanswered.push(sent)
        throw uncertainty
      }
    }
  }

  /** The tombstone of this request that this record is, if it is one of them. */
  findTombstone(there: Lineage): SentWrite | undefined {
    return this.#tombstones.find(({ record }) => isSame(record.header, there))
  }

  /**
   * There is no record any more. So no tombstone of this request is stored, since that would remain for a while.
   * @throws {UncertainError} FST_SESSION_UNCERTAIN if one may have expired meanwhile
   */
  findNothing(): void {
    const now = Date.now()
    if (
      this.#tombstones.some(({ record: { header } }) => header.touchedAt + header.idleTimeout * 1000 <= now)
    )
      throw this.#uncertainty
    this.#tombstones = []
  }

  /**
   * The write of this request that led to this record, if one did. Afterwards the outcome of every write is known.
   * @throws {UncertainError} FST_SESSION_UNCERTAIN if more commits came since than a record remembers.
   */
  takeOwn(there: Lineage): SentWrite | undefined {
    const unanswered = this.#unanswered
    const isIn = ({ record }: SentWrite) => includes(there, record.header)
    const found = [this.#last, ...unanswered].find((sent) => sent !== undefined && isIn(sent) === true)
    if (found === undefined && unanswered.some((sent) => isIn(sent) !== false)) throw this.#uncertainty
    this.settle()
    return found
  }

  /** The outcome of every write is known. */
  settle(): void {
    this.#unanswered = []
    this.#tombstones = []
    this.#last = undefined
  }

  /** The outcome of every write is known, and no confirmation by replicas is missing. */
  confirm(): void {
    this.settle()
    this.#isUnconfirmed = false
  }

  /** A later try found what an earlier one had stored: the confirmation by its replicas is missing. */
  expectConfirmation(): void {
    this.#isUnconfirmed = true
    this.#uncertainty ??= new NotReplicatedError('commit', 'an unknown number of replicas')
  }
}
