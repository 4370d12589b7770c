// What one request has made of its session so far: its data, and what it asked for at commit. No I/O here.
import type { Dictionary } from '../../serializers/serializer.js'
import { KeyError } from '../errors.js'

/** Which data stays when a session gets a new id: all, none, or these keys. */
export type Keep = boolean | readonly string[]

/** Who is told of what happens to a draft. */
export interface DraftObserver {
  /** Before every change; may throw to refuse it. */
  beforeChange(): void
  /** When an object is first handed out, which its holder may change from then on. */
  afterHandOut(): void
}

/** The data as this request has changed it, and what it asked for at commit. */
export class Draft {
  readonly #observer: DraftObserver
  #read: (() => Dictionary) | undefined
  #data: Dictionary = {}
  #permanent: boolean
  #written = false
  #handedOut = false
  #keep: Keep | undefined
  #beginsAnew = false
  #renewals = 0
  #changes = 0
  /** The session is to be touched at commit, however short ago it last was. */
  touch = false

  /** @param read Decodes the stored data, when that is first looked at. */
  constructor(observer: DraftObserver, permanent = false, read?: () => Dictionary) {
    this.#observer = observer
    this.#permanent = permanent
    this.#read = read
  }

  /** A key was set or deleted. */
  get written(): boolean {
    return this.#written
  }

  /** An object was handed out. */
  get handedOut(): boolean {
    return this.#handedOut
  }

  /** Which data stays when the session gets a new id at commit; `undefined` if it keeps its id. */
  get keep(): Keep | undefined {
    return this.#keep
  }

  /** The session got a new id and kept none of its data: it is another session. */
  get beginsAnew(): boolean {
    return this.#beginsAnew
  }

  get permanent(): boolean {
    return this.#permanent
  }

  set permanent(permanent: boolean) {
    this.#observer.beforeChange()
    this.#permanent = permanent
  }

  /** Stored data is never empty, so it need not be decoded to answer this. */
  get isEmpty(): boolean {
    return this.#read === undefined && Object.keys(this.#data).length === 0
  }

  /** The data itself; this does not count as handing it out. */
  get data(): Dictionary {
    if (this.#read !== undefined) {
      this.#data = this.#read()
      this.#read = undefined
    }
    return this.#data
  }

  /** How often it was changed. */
  get changes(): number {
    return this.#changes
  }

  /** Takes the data that was stored after a merge with the changes of other requests. Objects handed out stay live. */
  rebase(permanent: boolean, data: Dictionary): void {
    this.#permanent = permanent
    if (!this.#handedOut) {
      this.#data = data
      return
    }
    for (const key of Object.keys(this.#data)) delete this.#data[key]
    Object.defineProperties(this.#data, Object.getOwnPropertyDescriptors(data))
  }

  /** All of its data counts as changed by this request. */
  claim(): void {
    this.#written = true
  }

  /** Takes the changes of other requests, if this one has neither changed nor handed out anything. */
  showInstead(permanent: boolean, read: () => Dictionary): void {
    this.#permanent = permanent
    this.#read = read
  }

  /** The draft as it is now, which a commit is about to store. */
  snapshot(): Snapshot {
    return { changes: this.#changes, renewals: this.#renewals, permanent: this.#permanent, touch: this.touch }
  }

  /** This much has been committed. What was changed since is still to be. */
  settle({ changes, renewals, touch }: Snapshot): void {
    if (changes === this.#changes) this.#written = false
    if (renewals === this.#renewals) {
      this.#keep = undefined
      this.#beginsAnew = false
    }
    if (touch) this.touch = false
  }

  keys(): string[] {
    return Object.keys(this.data)
  }

  has(key: string): boolean {
    return Object.hasOwn(this.data, key)
  }

  get(key: string): unknown {
    if (!Object.hasOwn(this.data, key)) return undefined
    return this.#handOut(this.data[key])
  }

  all(): Dictionary {
    return this.#handOut(this.data)
  }

  /** Setting a key to `undefined` deletes it: what comes back is then the same with every serializer. */
  set(key: string, value: unknown): void {
    if (value === undefined) {
      this.delete(key)
      return
    }
    if (typeof key !== 'string') throw new KeyError(key, 'is not a string')
    if (key === '__proto__')
      throw new KeyError(key, 'is refused: it would change the prototype of what holds it')
    this.#observer.beforeChange()
    this.data[key] = this.#handOut(value)
    this.#change()
  }

  delete(key: string): boolean {
    if (!this.has(key)) return false
    this.#observer.beforeChange()
    this.#change()
    return delete this.data[key]
  }

  /** Drops at once what is not kept; the id changes at commit. A second call brings nothing back. */
  regenerate(keep: Keep): void {
    this.#observer.beforeChange()
    if (keep === false && this.#read !== undefined) {
      // What is to go need not be decoded, nor be decodable.
      this.#read = undefined
    } else if (keep !== true) {
      for (const key of this.keys()) if (keep === false || !keep.includes(key)) this.delete(key)
    }
    if (keep !== true) {
      // Whoever comes next at a shared machine is not to be remembered because somebody else was.
      this.#permanent = false
      // Also if there is nothing to drop: what another request adds meanwhile is not to be kept either.
      this.#change()
      this.#beginsAnew ||= this.isEmpty
    }
    this.#keep = both(this.#keep ?? true, keep)
    this.#renewals++
  }

  #change(): void {
    this.#written = true
    this.#changes++
  }

  #handOut<T>(value: T): T {
    if (typeof value === 'object' && value !== null && !this.#handedOut) {
      this.#handedOut = true
      this.#observer.afterHandOut()
    }
    return value
  }
}

/** How far a draft had come. */
export interface Snapshot {
  changes: number
  renewals: number
  permanent: boolean
  touch: boolean
}

/** The part of this data that a regenerated session keeps. */
export function kept(data: Dictionary, keep: Keep): Dictionary {
  if (keep === true) return data
  if (keep === false) return {}
  return Object.fromEntries(Object.entries(data).filter(([key]) => keep.includes(key)))
}

function both(a: Keep, b: Keep): Keep {
  if (a === true || b === false) return b
  if (b === true || a === false) return a
  return a.filter((key) => b.includes(key))
}
