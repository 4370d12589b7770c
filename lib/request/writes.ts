// The writes of one request, as far as it is not known what became of them. A write whose answer is lost is sent again,
// and recognised by its nonce, so that it takes place once, or fails as uncertain.

import { isRefusal, NotReplicatedError, UncertainError } from '../errors.js'
import { includes, isSame, type Lineage } from '../records/lineage.js'
import type { SessionRecord } from '../records/record.js'
import type { Snapshot } from '../session/draft.js'
import type { Outcome } from '../stores/store.js'
import type { Plan } from './plan.js'

/** How often a write is sent again whose answer was lost. */
const MAX_RESENDS = 2

/** A write, what it stores, and how far the draft had come. */
export interface SentWrite {
  record: SessionRecord
  plan: Plan
  snapshot: Snapshot
}

export class Writes {
  /** May have taken place, on the record that this request knows to be stored. */
  #unanswered: SentWrite[] = []
  /** Tombstones that may stand under the id. */
  #tombstones: SentWrite[] = []
  /** Why that is not known. */
  #uncertainty: unknown
  /** The one that was sent last. A client may have sent it twice without a word. */
  #last: SentWrite | undefined
  #isUnconfirmed = false
  /** SentWrite by the commit that is under way. */
  #current: SentWrite[] = []

  /** A write is stored, and its replicas have not confirmed it. */
  get isUnconfirmed(): boolean {
    return this.#isUnconfirmed
  }

  /** A tombstone of this request may stand under the id. */
  get mayHaveMoved(): boolean {
    return this.#tombstones.length > 0
  }

  /** A commit begins. */
  begin(): void {
    this.#current = []
  }

  /** Whether this is what the commit that is under way wants stored, so that nothing is left for it to do. */
  isCurrent(sent: SentWrite): boolean {
    return !this.#isUnconfirmed && this.#current.includes(sent)
  }

  /** What the request fails with: a refusal of this try says nothing of an earlier one. */
  errorOf(error: unknown): unknown {
    const isUncertain = this.#unanswered.length > 0 || this.mayHaveMoved || this.#isUnconfirmed
    return isUncertain ? this.#uncertainty : error
  }

  /** Sends the record of a session. */
  send(write: () => Promise<Outcome>, sent: SentWrite): Promise<Outcome> {
    return this.#send(write, sent, this.#unanswered)
  }

  sendTombstone(write: () => Promise<Outcome>, sent: SentWrite): Promise<Outcome> {
    return this.#send(write, sent, this.#tombstones)
  }

  /** Sends what nobody else can have changed, or what may well happen twice. */
  sendAnyway(write: () => Promise<Outcome>): Promise<Outcome> {
    return this.#send(write)
  }

  /** @param unanswered Takes the write if it is not known in the end whether it took place. */
  async #send(
    write: () => Promise<Outcome>,
    sent?: SentWrite,
    unanswered: SentWrite[] = []
  ): Promise<Outcome> {
    let uncertainty: unknown
    this.#last = sent
    if (sent !== undefined) this.#current.push(sent)
    for (let resends = 0; ; resends++) {
      try {
        const outcome = await write()
        // Another record stands there by now, which tells whether this one came before it.
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

  /** The tombstone of this request that stands there, if it is one. */
  findMove(there: Lineage): SentWrite | undefined {
    return this.#tombstones.find(({ record }) => isSame(record.header, there))
  }

  /**
   * The write of this request that led to this record, if one did. It is not looked for again.
   * @throws {UncertainError} FST_SESSION_UNCERTAIN if so many came since that nobody can tell.
   */
  takeOwn(there: Lineage): SentWrite | undefined {
    const unanswered = this.#unanswered
    const isIn = ({ record }: SentWrite) => includes(there, record.header)
    const found = [this.#last, ...unanswered].find((sent) => sent !== undefined && isIn(sent) === true)
    if (found === undefined && unanswered.some((sent) => isIn(sent) !== false)) throw this.#uncertainty
    this.settle()
    return found
  }

  /** It is known of all writes what became of them. */
  settle(): void {
    this.#unanswered = []
    this.#tombstones = []
    this.#last = undefined
  }

  /** The record that is stored now is confirmed. */
  confirm(): void {
    this.settle()
    this.#isUnconfirmed = false
  }

  /** A later try has found what an earlier one has stored: nobody has waited for its replicas. */
  expectConfirmation(): void {
    this.#isUnconfirmed = true
    this.#uncertainty ??= new NotReplicatedError('commit', 'an unknown number of replicas')
  }
}
