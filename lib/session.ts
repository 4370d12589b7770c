// The session object that a route sees. No I/O here: what needs the store is asked of the transaction that the session
// belongs to.
import { inspect } from 'node:util'
import type { ResponseCookie } from './cookie.js'
import type { Draft, Keep } from './draft.js'
import { CallbackError, KeyError } from './errors.js'

/** The keys of your sessions and their types: extend it by declaration merging. */
// biome-ignore lint/suspicious/noEmptyInterface: it is filled by those who use the package
export interface SessionData {}

/** Why a session is empty and never saved. */
export type Detached = 'disabled' | 'unavailable' | 'undecodable' | 'moved' | 'destroyed'

/** What a session asks of the transaction that it belongs to. */
export interface SessionOwner {
  readonly draft: Draft
  readonly handle: string
  readonly isNew: boolean
  readonly isModified: boolean
  readonly destroyed: boolean
  readonly rolledBack: boolean
  readonly detached: Detached | undefined
  save(): Promise<void>
  reload(): Promise<void>
  destroy(): Promise<void>
  regenerate(keep: Keep): Promise<void>
  setCookie(attributes: ResponseCookie): void
}

const owner = Symbol('session.owner')

/**
 * The methods and properties of a session beside its data. Data is reached by `get`, `set`, `has`, `delete` and
 * `data`, or as properties. A key that has the name of one of these is reached by `get` and `set` alone.
 */
export class SessionMethods<Data extends object = SessionData> {
  readonly [owner]: SessionOwner

  constructor(of: SessionOwner) {
    this[owner] = of
  }

  /** The handle: a public name of this session, safe to log. It says nothing of the secret id in the cookie. */
  get id(): string {
    return this[owner].handle
  }

  /** The same as `id`, under the name that it has in @fastify/session. */
  get sessionId(): string {
    return this[owner].handle
  }

  /** Whether nothing is stored for this session yet. */
  get isNew(): boolean {
    return this[owner].isNew
  }

  /** Whether the stored session has ended: by this request, by another one, or by its expiry in the midst of this one. */
  get destroyed(): boolean {
    return this[owner].destroyed
  }

  /**
   * Whether the store does not hold what this browser has seen, but something older, another history or nothing, as after a failover.
   * Told with the option `detectRollback`, where a session that has ended is told of as well; without it only where that
   * came about between the read and the commit of this request.
   */
  get rolledBack(): boolean {
    return this[owner].rolledBack
  }

  /**
   * Why this session is empty and never saved, if it is: `'disabled'` by the route, the store `'unavailable'`,
   * the record `'undecodable'`, `'moved'` to a new id or `'destroyed'` by a request at the same time.
   */
  get detached(): Detached | undefined {
    return this[owner].detached
  }

  /** Whether the session outlives the browser, for `permanentLifetime` seconds. Assign to change it. */
  get permanent(): boolean {
    return this[owner].draft.permanent
  }

  set permanent(permanent: boolean) {
    this[owner].draft.permanent = Boolean(permanent)
  }

  /** The value of a key; `undefined` where there is none. Changes inside an object are noticed at commit. */
  get<Key extends keyof Data & string>(key: Key): Data[Key] | undefined {
    return this[owner].draft.get(key) as Data[Key] | undefined
  }

  /**
   * Sets a key; `undefined` deletes it.
   * @throws FST_SESSION_KEY for `__proto__`; FST_SESSION_DETACHED on a route with `session: false`.
   */
  set<Key extends keyof Data & string>(key: Key, value: Data[Key] | undefined): void {
    this[owner].draft.set(key, value)
  }

  has(key: keyof Data & string): boolean {
    return this[owner].draft.has(key)
  }

  /** Deletes a key; false if there was none. A session without keys is deleted at commit, with its cookie. */
  delete(key: keyof Data & string): boolean {
    return this[owner].draft.delete(key)
  }

  /** All data, live: what is changed in it is changed in the session. */
  data(): Partial<Data> {
    return this[owner].draft.all() as Partial<Data>
  }

  /**
   * Gives the session a new id at commit, as every login should. What is not kept is dropped at once.
   * @param keep `true`, the default: all data stays; `false`: none; or the keys that stay.
   * @throws FST_SESSION_CONFLICT where another request has just done the same, FST_SESSION_DETACHED, FST_SESSION_KEY
   */
  async regenerate(keep: boolean | readonly (keyof Data & string)[] = true): Promise<void> {
    refuseCallback('regenerate', keep)
    if (typeof keep !== 'boolean' && !Array.isArray(keep)) {
      throw new KeyError(String(keep), 'is not a list of keys to keep')
    }
    return this[owner].regenerate(keep)
  }

  /**
   * Ends the session at once, in the store too; the response clears its cookie, whatever its status. What is set
   * afterwards begins a new session with a new id.
   * @throws FST_SESSION_UNAVAILABLE, FST_SESSION_CONFLICT
   */
  destroy(callback?: never): Promise<void> {
    refuseCallback('destroy', callback)
    return this[owner].destroy()
  }

  /**
   * Commits now what this request has changed so far: for hijacked and streamed replies and WebSockets, where no
   * commit follows, and for whatever must not be undone by a later error.
   * @throws FST_SESSION_HEADERS_SENT for a new session whose cookie can no longer be sent, and what a commit throws.
   */
  save(callback?: never): Promise<void> {
    refuseCallback('save', callback)
    return this[owner].save()
  }

  /** Takes what the store holds now, and drops what this request has changed. */
  reload(callback?: never): Promise<void> {
    refuseCallback('reload', callback)
    return this[owner].reload()
  }

  /** Extends the session at commit even if `touchAfter` has not passed. */
  touch(): void {
    this[owner].draft.touch = true
  }

  /** Attributes for the session cookie of this response, which is then sent if the session lives. */
  options(attributes: ResponseCookie): void {
    this[owner].setCookie(attributes)
  }

  /** Whether a commit would store something now. Encodes the data if objects were handed out. */
  isModified(): boolean {
    return this[owner].isModified
  }

  /** Whether the store holds this session as it is now. */
  isSaved(): boolean {
    return !this[owner].isNew && !this[owner].isModified
  }

  /** What `console.log` shows: the handle and the data, and nothing of what is behind them. */
  [inspect.custom](): string {
    return `Session ${this[owner].handle} ${inspect(this[owner].draft.data)}`
  }
}

/** A session: its methods, and its data as properties. */
export type Session<Data extends object = SessionData> = SessionMethods<Data> &
  Partial<Omit<Data, keyof SessionMethods>>

export function createSession(of: SessionOwner): Session {
  return new Proxy(new SessionMethods(of), dictionary) as Session
}

// A method is found before a key of the same name. Symbols are never keys.
const dictionary: ProxyHandler<SessionMethods> = {
  get(target, key) {
    if (typeof key === 'symbol' || key in target) return Reflect.get(target, key)
    return target[owner].draft.get(key)
  },
  set(target, key, value) {
    if (typeof key === 'string' && !(key in target)) target[owner].draft.set(key, value)
    else if (key === 'permanent') target.permanent = value
    else {
      const why = typeof key === 'symbol' ? 'is a symbol' : 'is the name of a method: use session.set()'
      throw new KeyError(String(key), why)
    }
    return true
  },
  has(target, key) {
    return key in target || (typeof key === 'string' && target[owner].draft.has(key))
  },
  deleteProperty(target, key) {
    if (typeof key === 'symbol' || key in target) return false
    target[owner].draft.delete(key)
    return true
  },
  ownKeys(target) {
    return target[owner].draft.keys()
  },
  getOwnPropertyDescriptor(target, key) {
    const { draft } = target[owner]
    if (typeof key === 'symbol' || !draft.has(key)) return undefined
    return { value: draft.get(key), writable: true, enumerable: true, configurable: true }
  },
  defineProperty(_target, key) {
    throw new KeyError(String(key), 'cannot be defined as a property: use session.set()')
  },
  setPrototypeOf() {
    return false
  }
}

function refuseCallback(method: string, argument: unknown): void {
  if (typeof argument === 'function') throw new CallbackError(method)
}
