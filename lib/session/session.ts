// The session object that a route sees. No I/O here: the transaction of the request talks to the store.
import { inspect } from 'node:util'
import type { ResponseCookie } from '../cookies/cookie.js'
import { CallbackError, KeyError, rejected } from '../errors.js'
import type { Draft, Keep } from './draft.js'
import { foreignNames } from './foreign-names.js'
import type { DeepReadonly } from './peek.js'
import { type EndOptions, type EndReason, reasonIn } from './reason.js'

/**
 * The keys of your sessions and their types. Extend it by declaration merging.
 * @example
 * declare module 'fastify-ioredis-session' {
 *   interface SessionData {
 *     userId: number
 *   }
 * }
 */
// biome-ignore lint/suspicious/noEmptyInterface: applications extend it
export interface SessionData {}

/** Why a session is empty and never saved; see `SessionMethods.detached`. */
export type Detached = 'not loaded' | 'disabled' | 'unavailable' | 'undecodable' | 'moved' | 'destroyed'

/** Whether a session is bound to a device, and this request comes from it; see `SessionMethods.deviceBound`. */
export type DeviceBound = 'bound' | 'pending' | 'refused'

/** The state of a session, as its methods read it. */
export interface SessionView {
  readonly draft: Draft
  /** The handle of the session after the next commit. */
  readonly nextHandle: string
  readonly isNew: boolean
  readonly destroyed: boolean
  readonly rolledBack: boolean
  readonly detached: Detached | undefined
}

/** The transaction behind a session. */
export interface SessionOwner {
  readonly state: SessionView
  readonly isModified: boolean
  /** Why the session has ended that the cookies of the request lead to, if a reason was given. */
  readonly endedBecause: string | undefined
  /** Aborted when the session ends. */
  readonly signal: AbortSignal
  /** Whether the session is bound to a device. */
  readonly deviceBound: DeviceBound | undefined
  save(): Promise<void>
  reload(): Promise<void>
  destroy(reason: string | undefined): Promise<void>
  /** An error also fails the request. */
  regenerate(keep: Keep): Promise<void>
  /** Extends the session at commit. Returns false if the options do not allow it. */
  touch(): boolean
  setCookie(attributes: ResponseCookie): void
}

/** The request behind a session. */
export interface SessionHost {
  /** Ends the request with this error, even if the application ignores the rejected promise. */
  fail(error: Error, given: readonly unknown[]): void
  /** Logs, once per name and outside production, what to use instead. */
  hint(name: string, advice: string): void
}

const NO_KEY = 'is missing: delete(key) removes one key, destroy() ends the session'
const NO_LIST = 'is not a list of keys: pass true, false or a list of strings to regenerate()'
const NOT_ROLLING = 'touch() extends no permanent session while rolling is false: set rolling to true'

const owner = Symbol('session.owner')
const host = Symbol('session.host')

/**
 * The methods and properties of a session, besides its data. Access data with `get`, `set`, `has`, `delete` and `data`,
 * or as properties. For a key that has the name of a method or property below, use `get` and `set`.
 */
export class SessionMethods<Data extends object = SessionData> {
  readonly [owner]: SessionOwner
  readonly [host]: SessionHost

  constructor(of: SessionOwner, at: SessionHost) {
    this[owner] = of
    this[host] = at
  }

  /**
   * The handle: the public name of this session. It is safe to log, because the secret id in the cookie cannot be
   * derived from it. After `regenerate()` it is the handle of the new id.
   */
  get id(): string {
    return this[owner].state.nextHandle
  }

  /** The same as `id`, under the name that @fastify/session uses. */
  get sessionId(): string {
    return this[owner].state.nextHandle
  }

  /** Whether the store holds nothing for this session yet. */
  get isNew(): boolean {
    return this[owner].state.isNew
  }

  /** Whether the stored session has ended: this or another request destroyed it, or it expired during this request. */
  get destroyed(): boolean {
    return this[owner].state.destroyed
  }

  /**
   * Whether commits were lost, for example in a failover: the store holds an older record, another history or none.
   * With `detectRollback` this covers all commits that the browser has seen, and also sessions that have ended.
   * Without it, this covers only a rollback between this request's read and its commit.
   */
  get rolledBack(): boolean {
    return this[owner].state.rolledBack
  }

  /**
   * Why this session is empty and never saved; `undefined` if it is attached.
   * - `'not loaded'`: the plugin's `onRequest` hook has not run yet.
   * - `'disabled'`: the route has `session: false`, or its URL is outside `cookie.path`.
   * - `'unavailable'`: the store did not answer, and `onUnavailable` is `'anonymous'`; or a `reload()` failed, after which
   *   another one may succeed.
   * - `'undecodable'`: the record cannot be decoded, or does not fit the option `schema`. A write starts a new session.
   * - `'moved'`: a concurrent request gave the session a new id.
   * - `'destroyed'`: a concurrent request ended the session.
   */
  get detached(): Detached | undefined {
    return this[owner].state.detached
  }

  /**
   * Why the session has ended that this request's cookie named, if it was ended with a reason during the last
   * `graceAfterRegenerate` seconds. `undefined` otherwise, and if there is a session.
   */
  get endedBecause(): EndReason | undefined {
    return this[owner].endedBecause
  }

  /**
   * Aborted when this session ends, wherever it is ended: destroyed, emptied, expired, or moved to a new id without all of
   * its data. Its `reason` is an error with the code FST_SESSION_ENDED. Watched until the response has closed.
   * @throws FST_SESSION_OPTION without the option `signals`; FST_SESSION_NOT_LOADED before the plugin's hook
   * @example
   * session.signal.addEventListener('abort', () => socket.close())
   */
  get signal(): AbortSignal {
    return this[owner].signal
  }

  /**
   * Whether the session is bound to the device that signed in; `undefined` if it is not, which is so for most browsers.
   * - `'bound'`: this request has proved to come from that device.
   * - `'pending'`: it has not, and need not yet, because the browser has just registered or could not renew its proof.
   * - `'refused'`: it has not. This is an empty, new session in place of the other one: see the option `deviceBound`.
   */
  get deviceBound(): DeviceBound | undefined {
    return this[owner].deviceBound
  }

  /**
   * Whether the session outlives the browser, for `permanentLifetime` seconds. Assign to change it.
   * @default false
   */
  get permanent(): boolean {
    return this[owner].state.draft.duration.permanent
  }

  set permanent(permanent: boolean) {
    this[owner].state.draft.permanent = Boolean(permanent)
  }

  /**
   * The idle timeout of this session alone, in seconds; `undefined` if the options decide. Assign 1 to 34,560,000 (400
   * days) to change it, and `undefined` to return to the options. `absoluteTimeout` still limits it. `regenerate()` keeps
   * it, unless the session keeps no data.
   * @throws FST_SESSION_LIFETIME for other values
   * @example
   * session.lifetime = 15 * 60
   */
  get lifetime(): number | undefined {
    return this[owner].state.draft.duration.lifetime
  }

  set lifetime(seconds: number | null | undefined) {
    this[owner].state.draft.lifetime = seconds ?? undefined
  }

  /** The value of a key; `undefined` if there is none. The commit detects changes inside objects. */
  get<Key extends keyof Data & string>(key: Key): Data[Key] | undefined {
    return this[owner].state.draft.get(key) as Data[Key] | undefined
  }

  /**
   * The value of a key, for reading only. Unlike `get()`, it does not make the commit look for changes inside objects.
   * A change inside the value may be lost; unless NODE_ENV is production, the plugin warns about it.
   * @example
   * const theme = session.peek('settings')?.theme
   */
  peek<Key extends keyof Data & string>(key: Key): DeepReadonly<Data[Key]> | undefined {
    return this[owner].state.draft.peek(key) as DeepReadonly<Data[Key]> | undefined
  }

  /**
   * Sets a key; `undefined` deletes it.
   * @throws FST_SESSION_KEY for `__proto__` and keys that are not strings; FST_SESSION_DETACHED if `detached` is
   * `'disabled'`; FST_SESSION_NOT_LOADED before the plugin's hook; FST_SESSION_RELOADING during `reload()`
   * @example
   * session.set('userId', 42)
   * session.userId = 42 // the same
   */
  set<Key extends keyof Data & string>(key: Key, value: Data[Key] | undefined): void {
    this[owner].state.draft.set(key, value)
  }

  /** Whether the session has this key. */
  has(key: keyof Data & string): boolean {
    return this[owner].state.draft.has(key)
  }

  /**
   * Deletes a key. If no key remains, the commit deletes the session and its cookie.
   * @returns false if there was no such key.
   * @throws FST_SESSION_KEY if the key is missing: `destroy()` ends the session
   */
  delete(key: keyof Data & string): boolean {
    if (key === undefined) throw new KeyError(key, NO_KEY)
    return this[owner].state.draft.delete(key)
  }

  /** All data, live: changes to this object are changes to the session. */
  data(): Partial<Data> {
    return this[owner].state.draft.all() as Partial<Data>
  }

  /**
   * Gives the session a new id at commit. Call it at every login, with `false` or a list of keys. Unless it keeps all
   * data, it drops the rest immediately and resets `permanent`. An error also fails the response, even if caught.
   * @param keep `true`, the default, keeps all data; `false` none; a list only these keys.
   * @throws FST_SESSION_CONFLICT if a concurrent request has done the same; FST_SESSION_DETACHED; FST_SESSION_KEY
   * @example
   * await session.regenerate(['cart'])
   * session.userId = 42
   */
  regenerate(keep: boolean | readonly (keyof Data & string)[] = true): Promise<void> {
    if (!isKeep(keep)) return refused(this[host], new KeyError(keep, NO_LIST), [])
    return this[owner].regenerate(keep)
  }

  /**
   * Ends the session immediately, also in the store. The response then clears its cookie, whatever its status. Keys that
   * are set afterwards start a new session with a new id. An error also fails the response, even if caught, unless the
   * response already has a status of 400 or above.
   * @param options `reason`: what a request is told that still comes with this cookie; see `endedBecause`.
   * @throws FST_SESSION_UNAVAILABLE, FST_SESSION_UNCERTAIN, FST_SESSION_NOT_REPLICATED, FST_SESSION_DETACHED;
   * FST_SESSION_CONFLICT if the session has moved to a new id or other requests keep changing it; FST_SESSION_REASON
   * @example
   * await session.destroy({ reason: 'signed-out' })
   */
  destroy(options?: EndOptions): Promise<void> {
    let reason: string | undefined
    try {
      reason = reasonIn(options, 'session.destroy()')
    } catch (error) {
      return refused(this[host], error as Error, [])
    }
    return this[owner].destroy(reason)
  }

  /**
   * Commits this request's changes now. Use it for hijacked and streamed replies and WebSockets, which have no later
   * commit, and for changes that a later error must not discard.
   * @throws FST_SESSION_HEADERS_SENT if a new id needs a cookie and the headers have been sent; every error of a commit
   */
  save(): Promise<void> {
    return this[owner].save()
  }

  /**
   * Re-reads the session, discarding this request's changes, except a new id requested by `regenerate()`. Until the
   * promise settles, changes throw FST_SESSION_RELOADING. If the session has ended, it is empty afterwards,
   * `destroyed` is true, and the plugin logs it.
   * @throws FST_SESSION_UNAVAILABLE, FST_SESSION_DETACHED
   */
  reload(): Promise<void> {
    return this[owner].reload()
  }

  /**
   * Extends the session at commit even if `touchAfter` has not passed. It does not extend a permanent session if
   * `rolling` is false. A failure is logged and does not fail the response.
   */
  touch(): void {
    if (!this[owner].touch()) this[host].hint('touch', NOT_ROLLING)
  }

  /**
   * Overrides attributes of the session cookie for this response, which sends the cookie if there is a session.
   * @throws FST_SESSION_OPTION for attributes other than `secure` and `sameSite`: some would make it a second cookie
   * @example
   * session.options({ sameSite: 'strict' })
   */
  options(attributes: ResponseCookie): void {
    this[owner].setCookie(attributes)
  }

  /** Whether a commit would store something now. Encodes the data if something may have changed in it. */
  isModified(): boolean {
    return this[owner].isModified
  }

  /** Whether the store holds this session as it is now. */
  isSaved(): boolean {
    return !this[owner].state.isNew && !this[owner].isModified
  }

  /** The session as a string: the handle, no data. */
  [Symbol.toPrimitive](): string {
    return `Session ${this[owner].state.nextHandle}`
  }

  /** What `console.log` shows: the handle and the data, without the internals. */
  [inspect.custom](): string {
    return `Session ${this[owner].state.nextHandle} ${inspect(this[owner].state.draft.data)}`
  }
}

/** A session: its methods and properties, and its data as further properties. */
export type Session<Data extends object = SessionData> = SessionMethods<Data> & Properties<Data>

// A mapped type with `as`, because `Omit` would lose the named keys beside an index signature.
type Properties<Data> = { [Key in keyof Data as Exclude<Key, keyof SessionMethods>]?: Data[Key] }

/** The number of arguments that each method takes. */
const METHODS = {
  get: 1,
  peek: 1,
  set: 2,
  has: 1,
  delete: 1,
  data: 0,
  regenerate: 1,
  destroy: 1,
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

// A dictionary inherits no keys, and no session may change what all sessions share.
Reflect.deleteProperty(SessionMethods.prototype, 'constructor')
for (const key of Reflect.ownKeys(SessionMethods.prototype)) {
  const part = Object.getOwnPropertyDescriptor(SessionMethods.prototype, key)
  for (const shared of [part?.value, part?.get, part?.set]) Object.freeze(shared)
}
Object.freeze(Object.setPrototypeOf(SessionMethods.prototype, null))

// Superfluous arguments would be ignored silently: a callback would never be called, a default never returned.
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
      return PROMISING.includes(name)
        ? 'takes no callback: await the promise that it returns'
        : 'takes no callback: call it without one'
    }
    if (index >= takes && given[index] !== undefined) {
      return `takes ${takes === 1 ? '1 argument' : `${takes} arguments`}, not ${given.length}`
    }
  }
  return undefined
}

// If the application ignores the promise, the response fails.
function refused(at: SessionHost, error: Error, given: readonly unknown[]): Promise<never> {
  at.fail(error, given)
  return rejected(error)
}

function isKeep(value: unknown): value is Keep {
  return typeof value === 'boolean' || (Array.isArray(value) && value.every((key) => typeof key === 'string'))
}

export function createSession(of: SessionOwner, at: SessionHost): Session {
  return new Proxy(new SessionMethods(of, at), dictionary) as Session
}

// A method takes precedence over a key of the same name. Symbols are never keys.
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
    else if (key === 'lifetime') target.lifetime = value
    else {
      const why =
        typeof key === 'symbol'
          ? 'is a symbol: use a string as the key'
          : 'is the name of a method: use session.set()'
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
  // Freezing and sealing throw: a proxy of a frozen target could not report any keys.
  preventExtensions() {
    return false
  }
}
