// The session as one request has changed it so far, and what the request asked for at commit. No I/O here.
import type { Dictionary } from '../../serializers/serializer.js'
import { Trace } from '../data/trace.js'
import { KeyError, LifetimeError } from '../errors.js'
import { MAX_COOKIE_AGE } from '../records/expiry.js'
import { DEFAULT_DURATION, type Duration } from '../records/record.js'
import type { SharedData } from '../records/shared.js'

/** Which data a session keeps when it gets a new id: all, none, or these keys. */
export type Keep = boolean | readonly string[]

export interface DraftObserver {
  /** Called before every change. Throws to refuse it. */
  beforeChange(): void
  /** Called when an object is first handed out. The request may change it unnoticed from then on. */
  afterHandOut(): void
  /** Whether only JSON.stringify encodes the data: it stores no hidden parts of dictionaries and lists. */
  readonly isJson?: boolean
  /** Called before an object is handed out for reading only. */
  beforePeek?(key: string, value: object): void
}

export class Draft {
  readonly #observer: DraftObserver
  #read: (() => Dictionary) | undefined
  #share: (() => SharedData | undefined) | undefined
  #data: Dictionary = {}
  #duration: Duration
  #written = false
  #handedOut = false
  /** What was inside the objects that were handed out. */
  #traces: Map<object, Trace> | undefined
  /** The data is what was read, except for changes inside objects, which the traces show. */
  #isTraced: boolean
  #keep: Keep | undefined
  #startsOver = false
  #renewals = 0
  #changes = 0
  /** Touch the session at commit even if `touchAfter` has not passed. */
  touch = false

  /**
   * @param read Decodes the stored data. Called on first access.
   * @param share The same data as requests share it. It is used until this request needs data of its own.
   */
  constructor(
    observer: DraftObserver,
    duration: Duration = DEFAULT_DURATION,
    read?: () => Dictionary,
    share?: () => SharedData | undefined
  ) {
    this.#observer = observer
    this.#duration = duration
    this.#read = read
    this.#isTraced = read !== undefined
    this.#share = share
  }

  /** Whether a key was set or deleted. */
  get written(): boolean {
    return this.#written
  }

  /** Whether an object was handed out, which the request may change unnoticed. */
  get handedOut(): boolean {
    return this.#handedOut
  }

  /** Whether the data may differ from what is stored. Only encoding it shows whether it does. */
  get mayDiffer(): boolean {
    if (this.#written || !this.#handedOut) return this.#written
    if (!this.#isTraced || this.#traces === undefined) return true
    return [...this.#traces.values()].some(({ isUnchanged }) => !isUnchanged)
  }

  /** Which data the session keeps with its new id at commit; `undefined` if it keeps its id. */
  get keep(): Keep | undefined {
    return this.#keep
  }

  /** Whether the session gets a new id and keeps no data, which makes it a new session. */
  get startsOver(): boolean {
    return this.#startsOver
  }

  get duration(): Duration {
    return this.#duration
  }

  set permanent(permanent: boolean) {
    this.#observer.beforeChange()
    this.#duration = { ...this.#duration, permanent }
  }

  /** @throws {LifetimeError} FST_SESSION_LIFETIME */
  set lifetime(lifetime: number | undefined) {
    const isUsable = Number.isInteger(lifetime) && Number(lifetime) >= 1 && Number(lifetime) <= MAX_COOKIE_AGE
    if (lifetime !== undefined && !isUsable) throw new LifetimeError(MAX_COOKIE_AGE)
    this.#observer.beforeChange()
    this.#duration = { ...this.#duration, lifetime }
  }

  /** Does not decode stored data, which is never empty. */
  get isEmpty(): boolean {
    return this.#read === undefined && Object.keys(this.#data).length === 0
  }

  /** Whether it was changed, or asked for a new id, after this snapshot. */
  hasChangedSince({ changes, renewals }: Snapshot): boolean {
    return this.#changes !== changes || this.#renewals !== renewals
  }

  /** Undefined as soon as this request has data of its own. */
  get #shared(): SharedData | undefined {
    return this.#read === undefined ? undefined : this.#share?.()
  }

  /** Whether the data is decoded for this request. */
  get isDecoded(): boolean {
    return this.#read === undefined
  }

  /** The data itself. Reading it here does not count as handing it out. */
  get data(): Dictionary {
    if (this.#read !== undefined) {
      this.#data = this.#read()
      this.#read = undefined
    }
    return this.#data
  }

  /** The number of changes so far. */
  get changes(): number {
    return this.#changes
  }

  /** Replaces the data by the merge that was stored. Objects already handed out stay live. */
  rebase(duration: Duration, data: Dictionary): void {
    this.#duration = duration
    this.stopTracing()
    if (!this.#handedOut) {
      this.#data = data
      return
    }
    for (const key of Object.keys(this.#data)) delete this.#data[key]
    Object.defineProperties(this.#data, Object.getOwnPropertyDescriptors(data))
  }

  /** Counts all data as changed by this request. */
  claim(): void {
    this.#written = true
  }

  /** What is stored is no longer what was read, so only encoding shows differences from it. */
  stopTracing(): void {
    this.#isTraced = false
  }

  /** Replaces the data by that of other requests. Only for a draft that neither changed nor handed out anything. */
  showInstead(duration: Duration, read: () => Dictionary): void {
    this.#duration = duration
    this.#read = read
    this.#share = undefined
  }

  /** The state that a commit is about to store. */
  snapshot(): Snapshot {
    return { changes: this.#changes, renewals: this.#renewals, duration: this.#duration, touch: this.touch }
  }

  /** Marks this snapshot as committed. Later changes remain to be committed. */
  settle({ changes, renewals, touch }: Snapshot): void {
    if (changes === this.#changes) this.#written = false
    if (renewals === this.#renewals) {
      this.#keep = undefined
      this.#startsOver = false
    }
    if (touch) this.touch = false
  }

  keys(): string[] {
    return Array.from(this.#shared?.keys() ?? Object.keys(this.data))
  }

  has(key: string): boolean {
    return this.#shared?.has(key) ?? Object.hasOwn(this.data, key)
  }

  get(key: string): unknown {
    const shared = this.#shared?.get(key)
    if (shared !== undefined && !isObject(shared.value)) return shared.value
    return this.has(key) ? this.#handOut(this.data[key]) : undefined
  }

  /** The value of a key, for reading only: this does not count as handing it out. */
  peek(key: string): unknown {
    const shared = this.#shared?.get(key)
    if (shared !== undefined) return shared.value
    if (!this.has(key)) return undefined
    const value = this.data[key]
    if (isObject(value)) this.#observer.beforePeek?.(key, value)
    return value
  }

  all(): Dictionary {
    return this.#handOut(this.data)
  }

  /** `undefined` deletes the key: serializers differ in whether they keep `undefined`. */
  set(key: string, value: unknown): void {
    if (value === undefined) {
      this.delete(key)
      return
    }
    if (typeof key !== 'string') throw new KeyError(key, 'is not a string: use a string as the key')
    if (key === '__proto__')
      throw new KeyError(key, 'is refused, since it could change a prototype: use another key')
    this.#observer.beforeChange()
    const { data } = this
    this.#change()
    data[key] = this.#handOut(value)
  }

  delete(key: string): boolean {
    if (!this.has(key)) return false
    this.#observer.beforeChange()
    this.#change()
    return delete this.data[key]
  }

  /** Drops the other data now; the id changes at commit. A second call restores nothing. */
  regenerate(keep: Keep): void {
    this.#observer.beforeChange()
    if (keep === false && this.#read !== undefined) {
      // All stored data goes, so it need not be decodable.
      this.#read = undefined
    } else if (keep !== true) {
      for (const key of this.keys()) if (keep === false || !keep.includes(key)) this.delete(key)
    }
    if (keep !== true) {
      // The next user of a shared machine did not ask to be remembered.
      this.#duration = { ...this.#duration, permanent: false }
      // Even if there is nothing to drop here, the commit must drop keys that another request adds meanwhile.
      this.#change()
      if (this.isEmpty) {
        this.#startsOver = true
        this.#duration = DEFAULT_DURATION
      }
    }
    this.#keep = both(this.#keep ?? true, keep)
    this.#renewals++
  }

  #change(): void {
    this.stopTracing()
    this.#written = true
    this.#changes++
  }

  #handOut<T>(value: T): T {
    if (!isObject(value)) return value
    if (this.#isTraced) {
      this.#traces ??= new Map()
      if (!this.#traces.has(value)) this.#traces.set(value, new Trace(value, this.#observer.isJson))
    }
    if (!this.#handedOut) {
      this.#handedOut = true
      this.#observer.afterHandOut()
    }
    return value
  }
}

/** The state of a draft at one moment. */
export interface Snapshot {
  changes: number
  renewals: number
  duration: Duration
  touch: boolean
}

/** The part of the data that a regenerated session keeps. */
export function kept(data: Dictionary, keep: Keep): Dictionary {
  if (keep === true) return data
  if (keep === false) return {}
  return Object.fromEntries(Object.entries(data).filter(([key]) => keep.includes(key)))
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function both(a: Keep, b: Keep): Keep {
  if (a === true || b === false) return b
  if (b === true || a === false) return a
  return a.filter((key) => b.includes(key))
}
