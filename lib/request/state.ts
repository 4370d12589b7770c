// What one request knows about its session: its id, the record that it read, the one that is stored now, and its draft.
import type { Dictionary } from '../../serializers/serializer.js'
import type { SessionIds } from '../cookies/session-id.js'
import { DetachedError } from '../errors.js'
import type { SessionRecord } from '../records/record.js'
import type { SharedData } from '../records/shared.js'
import { Draft, type DraftObserver, type Keep } from '../session/draft.js'
import type { Detached, SessionView } from '../session/session.js'

export class SessionState implements SessionView {
  readonly #ids: SessionIds
  readonly #observer: DraftObserver
  #draft: Draft | undefined
  #id: string | undefined
  #handle: string | undefined
  #nextId: string | undefined
  #nextHandle: string | undefined
  /** The record that the draft began with. Differences from it are changes of this request. */
  base: SessionRecord | undefined
  /** The record that is stored, as far as this request knows. A write expects its revision. */
  stored: SessionRecord | undefined
  detached: Detached | undefined
  /** What an error says of `detached`, if it can say more. */
  #reason: string | undefined
  destroyed = false
  /** It was reported that the record cannot be decoded. */
  isUndecodableReported = false
  rolledBack = false

  constructor(ids: SessionIds, observer: DraftObserver) {
    this.#ids = ids
    this.#observer = observer
  }

  get draft(): Draft {
    this.#draft ??= new Draft(this.#observer)
    return this.#draft
  }

  /** Nothing is stored for this session yet. */
  get isNew(): boolean {
    return this.stored === undefined
  }

  /** The store did not answer a reload(), but the session is known. */
  get isInterrupted(): boolean {
    return this.detached === 'unavailable' && this.stored !== undefined
  }

  /** The id of the record; a new one if there is no record yet. */
  get id(): string {
    this.#id ??= this.#ids.create()
    return this.#id
  }

  get handle(): string {
    this.#handle ??= this.#ids.handleOf(this.id)
    return this.#handle
  }

  /** The id that the session has after the next commit. */
  get nextId(): string {
    return this.#nextId ?? this.id
  }

  get nextHandle(): string {
    if (this.#nextId === undefined) return this.handle
    this.#nextHandle ??= this.#ids.handleOf(this.#nextId)
    return this.#nextHandle
  }

  /**
   * Takes this id, and its record if there is one.
   * @param read Decodes the data on first access.
   * @param share The same data as requests share it.
   */
  take(
    id: string,
    handle: string,
    record?: SessionRecord,
    read?: () => Dictionary,
    share?: () => SharedData | undefined
  ): void {
    this.#id = id
    this.#handle = handle
    this.#nextId = this.#nextHandle = undefined
    this.base = this.stored = record
    this.#draft = read && new Draft(this.#observer, record?.header, read, share)
  }

  /** Keeps this part of the data, under another id. */
  regenerate(keep: Keep): void {
    this.draft.regenerate(keep)
    this.renew()
  }

  /** Gives the session another id from the next commit on. */
  renew(): void {
    this.#nextId = this.#ids.create()
    this.#nextHandle = undefined
  }

  /** Drops the record, its id and a new id that is not stored yet. The draft stays. */
  dropId(): void {
    this.#id = this.#handle = this.#nextId = this.#nextHandle = undefined
    this.base = this.stored = undefined
  }

  /** This record is stored under this id, and contains the whole draft. */
  settle(id: string, handle: string, record: SessionRecord): void {
    // If the id was renewed again meanwhile, the next commit stores that.
    if (this.#nextId === id) this.#nextId = this.#nextHandle = undefined
    this.#id = id
    this.#handle = handle
    this.base = this.stored = record
  }

  /** Makes this an empty session. */
  reset(): void {
    this.dropId()
    this.#draft = undefined
  }

  /** Separates this request from the stored session, so that its changes are not saved. */
  detach(detached: Detached, reason?: string): void {
    this.stored = undefined
    this.detached = detached
    this.#reason = reason
    if (detached === 'destroyed') this.destroyed = true
  }

  /** @throws {DetachedError} FST_SESSION_DETACHED */
  refuseIfDetached(action: string): void {
    if (this.detached !== undefined) throw new DetachedError(action, this.#reason ?? this.detached)
  }
}
