// What the pieces of one request's transaction share.
import type { Cookie } from '../cookies/cookie.js'
import type { SessionCookie } from '../cookies/session-cookie.js'
import type { SessionIds } from '../cookies/session-id.js'
import type { Log } from '../events.js'
import type { Records, RecordsOptions } from '../records/records.js'
import type { PeekCheck } from '../session/peek.js'
import type { GuardedStore, HealthRecord } from '../stores/guarded.js'
import type { Store } from '../stores/store.js'
import type { HeaderTransport } from '../transport/header.js'
import type { Users } from '../users/users.js'
import type { Devices } from './devices.js'
import type { LookupContext } from './lookup.js'
import type { SessionObserver } from './observer.js'
import type { Origin, Origins } from './origin.js'
import type { PlanContext } from './plan.js'
import type { CommitQueue } from './queue.js'
import type { ReplayWatch } from './replay.js'
import type { SealContext } from './seal.js'
import type { SessionSignals } from './signals.js'
import type { SessionState } from './state.js'

/** What all transactions of one registration share. */
export interface Context extends RecordsOptions, LookupContext, PlanContext, SealContext {
  store: Store
  /** Milliseconds that a request may wait for its store in total. */
  timeout: number
  health: HealthRecord
  cookie: Cookie
  ids: SessionIds
  onUndecodable: 'empty' | 'error'
  queue: CommitQueue
  /** How many replicas a commit waits for. */
  replicas: number
  /** Whether a cookie holds the last commit that the browser saw. */
  detectRollback: boolean
  observer: SessionObserver | undefined
  /** Undefined if sessions come from nowhere else. */
  origins: Origins | undefined
  /** Undefined if ids travel only in cookies. */
  transport: HeaderTransport | undefined
  /** Undefined without the option `user`. */
  users: Users | undefined
  /** Undefined without the option `signals`. */
  signals: SessionSignals | undefined
  /** Undefined without the option `onReplay`. */
  replays: ReplayWatch | undefined
  /** Undefined without the option `deviceBound`. */
  devices: Devices | undefined
  /** Undefined in production. */
  peeks: PeekCheck | undefined
}

/** One request: its session as far as it is known, where that is stored, and what the response gets. */
export interface RequestParts {
  readonly context: Context
  readonly state: SessionState
  readonly store: GuardedStore
  readonly records: Records
  readonly cookie: SessionCookie
  readonly log: Log
  /** The address that the request came from; `undefined` outside a request. */
  readonly address: string | undefined
  /** What the request's cookies lead to elsewhere. */
  readonly origin: Origin | undefined
  /** The commit has begun, so an error can no longer reach the route. */
  readonly isEnding: boolean
}
