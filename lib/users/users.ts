// What the files of this folder share: the index as the sessions of one registration use it.
import { type Lifetimes, MAX_COOKIE_AGE } from '../records/expiry.js'
import type { Header, SessionRecord } from '../records/record.js'
import type { Context } from '../request/parts.js'
import { CommitQueue } from '../request/queue.js'
import type { GuardedStore } from '../stores/guarded.js'
import type { Entered, Entry, Indexed, SessionIndex } from '../stores/session-index.js'
import { Identity, type UserOption } from './identity.js'

/** How many sessions a user may have, and what happens at one more. */
export interface MaxPerUser {
  limit: number
  /** `'end-oldest'` ends those that were used least recently; `'refuse'` refuses to sign in. */
  onFull: 'end-oldest' | 'refuse'
}

/** Milliseconds by which clocks may differ, or a process may stand still: so much longer entries and marks remain. */
const SLACK = 60_000

export class Users {
  readonly identity: Identity
  readonly maxPerUser: MaxPerUser | undefined
  /** Logins of this process, one after another for each user, so that they do not make each other retry. */
  readonly queue = new CommitQueue()
  readonly #index: SessionIndex
  readonly #lifetimes: Lifetimes
  /** Milliseconds within which the record of an entry is written, unless its request has failed. */
  readonly entering: number
  /** Milliseconds for which a session that was ended cannot be stored again. */
  readonly markFor: number

  constructor(index: SessionIndex, context: Context, user: UserOption, maxPerUser: MaxPerUser | undefined) {
    this.identity = new Identity(user, context.codec, context.prefix)
    this.maxPerUser = maxPerUser
    this.#index = index
    this.#lifetimes = context.lifetimes
    this.entering = context.timeout + 1_000
    this.markFor = Math.max(context.timeout + SLACK, context.graceAfterRegenerate * 1_000)
  }

  enter(store: GuardedStore, user: string, entry: Entry): Promise<Entered> {
    return store.perform('enter', () => this.#index.enter(this.identity.keyOf(user), entry))
  }

  list(store: GuardedStore, user: string): Promise<Indexed[]> {
    return store.perform('list', () => this.#index.list(this.identity.keyOf(user)))
  }

  /** Its failure does no harm: a list leaves out sessions that have ended, and their entries are forgotten in time. */
  async leave(store: GuardedStore, user: string, handles: readonly string[]): Promise<void> {
    await store
      .perform('leave', () => this.#index.leave(this.identity.keyOf(user), handles))
      .catch(() => undefined)
  }

  revoke(store: GuardedStore, user: string, keep: readonly string[]): Promise<string[]> {
    const { idleTimeout, permanentLifetime } = this.#lifetimes
    // As long as any session can live without renewing its entry: also one with a `session.lifetime`.
    const idle = Math.max(idleTimeout, permanentLifetime, MAX_COOKIE_AGE)
    const lifetime = this.lifetimeOf({ createdAt: Date.now(), idleTimeout: idle })
    return store.perform('revoke', () => this.#index.revoke(this.identity.keyOf(user), keep, lifetime))
  }

  /** Milliseconds for which the entry of this session must be remembered. */
  lifetimeOf({ createdAt, idleTimeout }: Pick<Header, 'createdAt' | 'idleTimeout'>): number {
    const { absoluteTimeout } = this.#lifetimes
    const lifetime = entryLifetime(idleTimeout)
    if (absoluteTimeout === undefined) return lifetime
    return Math.min(lifetime, Math.max(0, createdAt + absoluteTimeout * 1_000 - Date.now()) + SLACK)
  }
}

/**
 * Whether a touch must renew the entry of its session: it does in each half of an idle timeout, so that most touches
 * cost no command. The last one after that extends the session by less than half an idle timeout.
 */
export function isRenewalDue({ header: before }: SessionRecord, { header: after }: SessionRecord): boolean {
  const half = after.idleTimeout * 500
  const isSamePeriod = Math.floor(before.touchedAt / half) === Math.floor(after.touchedAt / half)
  return before.idleTimeout !== after.idleTimeout || !isSamePeriod
}

/** @param idleTimeout In seconds. */
function entryLifetime(idleTimeout: number): number {
  return idleTimeout * 1_500 + SLACK
}
