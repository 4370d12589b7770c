// The session object that a route sees. No I/O here: what needs the store is asked of the transaction that the session
// belongs to.
import { inspect } from 'node:util'
import type { ResponseCookie } from '../cookies/cookie.js'
import { CallbackError, KeyError } from '../errors.js'
import type { Draft, Keep } from './draft.js'
import { foreignNames } from './foreign-names.js'

/** The keys of your sessions and their types: extend it by declaration merging. */
// biome-ignore lint/suspicious/noEmptyInterface: it is filled by those who use the package
export interface SessionData {}

/** Why a session is empty and never saved. */
export type Detached = 'not loaded' | 'disabled' | 'unavailable' | 'undecodable' | 'moved' | 'destroyed'

/** What a session shows of its state. */
export interface SessionView {
  readonly draft: Draft
  /** The handle that the session has after the next commit. */
  readonly nextHandle: string
  readonly isNew: boolean
  readonly destroyed: boolean
  readonly rolledBack: boolean
  readonly detached: Detached | undefined
}

/** What a session asks of the transaction that it belongs to. */
export interface SessionOwner {
  readonly state: SessionView
  readonly isModified: boolean
  save(): Promise<void>
  reload(): Promise<void>
  destroy(): Promise<void>
  /** Fails the request if it fails. */
  regenerate(keep: Keep): Promise<void>
  /** Extends the session at commit; false if the options do not allow that. */
  touch(): boolean
  setCookie(attributes: ResponseCookie): void
}

/** What a session asks of the request that it belongs to. */
export interface SessionHost {
  /** Ends the request with this error, even if nobody looks at the promise that was rejected with it. */
  fail(error: Error, given: readonly unknown[]): void
  /** Tells developers, once for each name, what to use in its place. */
  hint(name: string, advice: string): void
}

const owner = Symbol('session.owner')
const host = Symbol('session.host')

/**
 * The methods and properties of a session beside its data. Data is reached by `get`, `set`, `has`, `delete` and
 * `data`, or as properties. A key that has the name of one of these is reached by `get` and `set` alone.
 */
export class SessionMethods<Data extends object = SessionData> {
  readonly [owner]: SessionOwner
  readonly [host]: SessionHost

  constructor(of: SessionOwner, at: SessionHost) {
    this[owner] = of
    this[host] = at
  }

  /**
   * The handle: a public name of this session, safe to log. It says nothing of the secret id in the cookie. After
   * `regenerate()` it is the new one.
   */
  get id(): string {
    return this[owner].state.nextHandle
  }

  /** The same as `id`, under the name that it has in @fastify/session. */
  get sessionId(): string {
    return this[owner].state.nextHandle
  }

  /** Whether nothing is stored for this session yet. */
  get isNew(): boolean {
    return this[owner].state.isNew
  }

  /** Whether the stored session has ended: by this request, by another one, or by its expiry during this one. */
  get destroyed(): boolean {
    return this[owner].state.destroyed
  }

  /**
   * Whether commits were lost, as in a failover: the store holds something older, another history or nothing. With the
   * option `detectRollback` this is what the browser has seen, which includes sessions that have ended. Without it, only
   * what was lost between this request's read and its commit.
   */
  get rolledBack(): boolean {
    return this[owner].state.rolledBack
  }

  /**
   * Why this session is empty and not saved, if it is: `'not loaded'` before the plugin's hook, `'disabled'` by the
   * route, the store `'unavailable'`, the record `'undecodable'` (what is written then begins another session), `'moved'`
   * to a new id or `'destroyed'` by a request at the same time.
   */
  get detached(): Detached | undefined {
    return this[owner].state.detached
  }

  /** Whether the session outlives the browser, for `permanentLifetime` seconds. Assign to change it. */
  get permanent(): boolean {
    return this[owner].state.draft.permanent
  }

  set permanent(permanent: boolean) {
    this[owner].state.draft.permanent = Boolean(permanent)
  }

  /** The value of a key; `undefined` if there is none. Changes inside an object are noticed at commit. */
  get<Key extends keyof Data & string>(key: Key): Data[Key] | undefined {
    return this[owner].state.draft.get(key) as Data[Key] | undefined
  }

  /**
   * Sets a key; `undefined` deletes it.
   * @throws FST_SESSION_KEY for `__proto__`; FST_SESSION_DETACHED on a route with `session: false`.
   */
  set<Key extends keyof Data & string>(key: Key, value: Data[Key] | undefined): void {
    this[owner].state.draft.set(key, value)
  }

  has(key: keyof Data & string): boolean {
    return this[owner].state.draft.has(key)
  }

  /**
   * Deletes a key; false if there was none. A session without keys is deleted at commit, with its cookie.
   * @throws FST_SESSION_KEY without a key: `destroy()` ends the session.
   */
  delete(key: keyof Data & string): boolean {
    if (key === undefined) {
      throw new KeyError(key, 'is missing: delete(key) removes one key, destroy() ends the session')
    }
    return this[owner].state.draft.delete(key)
  }

  /** All data, live: what is changed in it is changed in the session. */
  data(): Partial<Data> {
    return this[owner].state.draft.all() as Partial<Data>
  }

  /**
   * Gives the session a new id at commit. Every login should call it with `false` or a list. What is not kept is dropped
   * at once, and the session is then not permanent. If this fails, so does the response, even if the error is handled.
   * @param keep `true`, the default: all data stays; `false`: none; or the keys that stay.
   * @throws FST_SESSION_CONFLICT if another request has just done the same, FST_SESSION_DETACHED, FST_SESSION_KEY
   */
  regenerate(keep: boolean | readonly (keyof Data & string)[] = true): Promise<void> {
    const isList = Array.isArray(keep) && keep.every((key) => typeof key === 'string')
    if (typeof keep !== 'boolean' && !isList) {
      return refused(this[host], new KeyError(keep, 'is not a list of keys to keep'), [])
    }
    return this[owner].regenerate(keep)
  }

  /**
   * Ends the session at once, in the store too; the response clears its cookie, whatever its status. What is set
   * afterwards begins a new session with a new id. If the store could not end it, the response fails too, even if the
   * error is handled.
   * @throws FST_SESSION_UNAVAILABLE, FST_SESSION_UNCERTAIN, FST_SESSION_NOT_REPLICATED, FST_SESSION_DETACHED;
   * FST_SESSION_CONFLICT if it has moved to a new id, or changes all the time
   */
  destroy(): Promise<void> {
    return this[owner].destroy()
  }

  /**
   * Commits now what this request has changed so far: for hijacked and streamed replies and WebSockets, when no
   * commit follows, and for whatever must not be undone by a later error.
   * @throws FST_SESSION_HEADERS_SENT for a new session whose cookie can no longer be sent, and what a commit throws.
   */
  save(): Promise<void> {
    return this[owner].save()
  }

  /**
   * Reads the session again, discarding this request's changes. Keys that are set meanwhile stay set. If the session has
   * ended it is empty afterwards, and `destroyed` says so, as does the log.
   * @throws FST_SESSION_UNAVAILABLE, FST_SESSION_DETACHED
   */
  reload(): Promise<void> {
    return this[owner].reload()
  }

  /**
   * Extends the session at commit even if `touchAfter` has not passed; not a permanent one if `rolling` is false. If that
   * fails, the log says so, and the response does not fail.
   */
  touch(): void {
    if (!this[owner].touch()) {
      this[host].hint('touch', 'touch() extends no permanent session, since the option rolling is false')
    }
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
    return !this[owner].state.isNew && !this[owner].isModified
  }

  /** What it is as a text: the handle, no data. */
  [Symbol.toPrimitive](): string {
    return `Session ${this[owner].state.nextHandle}`
  }

  /** What `console.log` shows: the handle and the data, and nothing of what is behind them. */
  [inspect.custom](): string {
    return `Session ${this[owner].state.nextHandle} ${inspect(this[owner].state.draft.data)}`
  }
}

/** A session: its methods, and its data as properties. */
export type Session<Data extends object = SessionData> = SessionMethods<Data> & Properties<Data>

// By its keys one at a time, so that an index signature does not swallow them.
type Properties<Data> = { [Key in keyof Data as Exclude<Key, keyof SessionMethods>]?: Data[Key] }

/** How many arguments each method takes. */
const METHODS = {
  get: 1,
  set: 2,
  has: 1,
  delete: 1,
  data: 0,
  regenerate: 1,
  destroy: 0,
  save: 0,
  reload: 0,
  touch: 0,
  options: 1,
  isModified: 0,
  isSaved: 0
} as const
const PROMISING: readonly string[] = ['regenerate', 'destroy', 'save', 'reload']

type AnyMethod = (this: SessionMethods, ...given: unknown[]) => unknown

for (const [name, takes] of Object.entries(METHODS)) {
  const method = SessionMethods.prototype[name as keyof typeof METHODS] as AnyMethod
  Object.defineProperty(SessionMethods.prototype, name, { value: strict(name, takes, method) })
}

// A dictionary has no keys by inheritance, and no session changes another by what they share.
Reflect.deleteProperty(SessionMethods.prototype, 'constructor')
for (const key of Reflect.ownKeys(SessionMethods.prototype)) {
  const part = Object.getOwnPropertyDescriptor(SessionMethods.prototype, key)
  for (const shared of [part?.value, part?.get, part?.set]) Object.freeze(shared)
}
Object.freeze(Object.setPrototypeOf(SessionMethods.prototype, null))

// What a method does not take would be ignored silently: a callback is never called, a default never given.
function strict(name: string, takes: number, method: AnyMethod): AnyMethod {
  return function (...given) {
    const wrong = whatIsWrong(name, takes, given)
    if (wrong === undefined) return method.apply(this, given)
    const error = new CallbackError(name, wrong)
    if (PROMISING.includes(name)) return refused(this[host], error, given)
    throw error
  }
}

function whatIsWrong(name: string, takes: number, given: readonly unknown[]): string | undefined {
  for (let index = 0; index < given.length; index++) {
    // The second argument of set() is data.
    if (typeof given[index] === 'function' && !(name === 'set' && index === 1)) {
      return PROMISING.includes(name) ? 'takes no callback: it returns a promise' : 'takes no callback'
    }
    if (index >= takes && given[index] !== undefined) {
      return `takes ${takes === 1 ? '1 argument' : `${takes} arguments`}, not ${given.length}`
    }
  }
  return undefined
}

// Who does not look at the promise gets the error by the response, and the process no unhandled rejection.
function refused(at: SessionHost, error: Error, given: readonly unknown[]): Promise<never> {
  const rejected = Promise.reject(error)
  rejected.catch(() => {})
  at.fail(error, given)
  return rejected
}

export function createSession(of: SessionOwner, at: SessionHost): Session {
  return new Proxy(new SessionMethods(of, at), dictionary) as Session
}

// A method is found before a key of the same name. Symbols are never keys.
const dictionary: ProxyHandler<SessionMethods> = {
  get(target, key) {
    if (typeof key === 'symbol' || key in target) return Reflect.get(target, key)
    const value = target[owner].state.draft.get(key)
    if (value === undefined) {
      const advice = foreignNames.get(key)
      if (advice !== undefined) target[host].hint(key, `session.${key} is not set: ${advice}`)
    }
    return value
  },
  set(target, key, value) {
    if (typeof key === 'string' && !(key in target)) target[owner].state.draft.set(key, value)
    else if (key === 'permanent') target.permanent = value
    else {
      const why = typeof key === 'symbol' ? 'is a symbol' : 'is the name of a method: use session.set()'
      throw new KeyError(key, why)
    }
    return true
  },
  has(target, key) {
    return key in target || (typeof key === 'string' && target[owner].state.draft.has(key))
  },
  deleteProperty(target, key) {
    if (typeof key === 'symbol' || key in target) return false
    target[owner].state.draft.delete(key)
    return true
  },
  ownKeys(target) {
    return target[owner].state.draft.keys()
  },
  getOwnPropertyDescriptor(target, key) {
    const { draft } = target[owner].state
    if (typeof key === 'symbol' || !draft.has(key)) return undefined
    return { value: draft.get(key), writable: true, enumerable: true, configurable: true }
  },
  defineProperty(_target, key) {
    throw new KeyError(key, 'cannot be defined as a property: use session.set()')
  },
  setPrototypeOf() {
    return false
  },
  // Freezing and sealing throw: once the target were frozen, no key could be found any more.
  preventExtensions() {
    return false
  }
}
