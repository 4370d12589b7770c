// `app.sessions`: sessions outside a request, by their handles. What each method does is loaded with its first call.
import { OptionError } from '../errors.js'
import type { Log } from '../events.js'
import type { Context } from '../request/parts.js'
import { type EndOptions, reasonIn } from '../session/reason.js'
import type { Session, SessionData, SessionHost } from '../session/session.js'
import type { Users } from '../users/users.js'
import { receivedAs } from './access.js'

/** A session in a list. Instants are epoch milliseconds. */
export interface SessionInfo<Data extends object = SessionData> {
  /** The handle: the public name of the session, as `session.id`. */
  id: string
  createdAt: number
  /** When the session was last extended by use: up to `touchAfter` seconds before its last use. */
  lastUsedAt: number
  /** When it ends if nobody uses it. */
  expiresAt: number
  permanent: boolean
  /** A copy of its data. Empty if the record cannot be decoded, which the log reports. */
  data: Partial<Data>
}

/** What the option `user` leads to. */
export type User = string | number | bigint

export interface EndAllOptions extends EndOptions {
  /** The handles of sessions that stay. */
  except?: string | readonly string[]
}

/** What the methods share. */
export interface SessionsParts {
  readonly context: Context
  readonly log: Log
  /** Where sessions outside a request report misuse. */
  readonly host: SessionHost
}

/** The sessions of one registration. Each call has the deadlines and the errors of a request. */
export class Sessions<Data extends object = SessionData> {
  readonly #parts: SessionsParts

  constructor(parts: SessionsParts) {
    this.#parts = parts
  }

  /**
   * Reads a session. Changes are stored by `save()`, merged like those of a request. This does not count as use, and no
   * cookie is sent, so the session cannot get a new id.
   * @param id Its handle: `session.id`, not the value of a cookie.
   * @returns `undefined` if it has ended or has another id now.
   * @throws FST_SESSION_HANDLE, FST_SESSION_UNAVAILABLE
   * @example
   * const found = await app.sessions.find(id)
   * if (found) {
   *   found.role = 'editor'
   *   await found.save()
   * }
   */
  async find(id: string): Promise<Session<Data> | undefined> {
    const { find } = await import('./find.js')
    return find(this.#parts, id) as Promise<Session<Data> | undefined>
  }

  /**
   * Ends a session immediately, also if it has just moved to a new id.
   * @param id Its handle: `session.id`, not the value of a cookie.
   * @param options `reason`: what a request is told that still comes with its cookie; see `session.endedBecause`.
   * @returns Whether it was alive.
   * @throws FST_SESSION_HANDLE, FST_SESSION_REASON, FST_SESSION_UNAVAILABLE, FST_SESSION_UNCERTAIN, FST_SESSION_NOT_REPLICATED;
   * FST_SESSION_CONFLICT if requests keep changing or moving it
   */
  async end(id: string, options?: EndOptions): Promise<boolean> {
    const { end } = await import('./end.js')
    return end(this.#parts, id, options)
  }

  /**
   * The living sessions of a user, newest first. Needs the option `user`.
   * @param user What the option `user` leads to: a string, a number or a bigint.
   * @throws FST_SESSION_OPTION without the option `user`; FST_SESSION_USER, FST_SESSION_UNAVAILABLE
   * @example
   * const devices = await app.sessions.of(userId)
   */
  async of(user: User): Promise<SessionInfo<Data>[]> {
    const users = this.#usersFor('of')
    const { of } = await import('../users/of.js')
    return of(this.#parts, users, user) as Promise<SessionInfo<Data>[]>
  }

  /**
   * Ends all sessions of a user, also those that a request is just moving or writing. Afterwards none of them answers a
   * request. A later login works. Needs the option `user`.
   * @param user What the option `user` leads to: a string, a number or a bigint.
   * @param options `except`: the handle of a session that stays, or several. Use `session.id` before `regenerate()`, or
   * after `save()`. `reason`: what requests are told that still come with a cookie; see `session.endedBecause`.
   * @returns How many sessions were alive.
   * @throws FST_SESSION_OPTION without the option `user`; FST_SESSION_USER, FST_SESSION_HANDLE, FST_SESSION_REASON,
   * FST_SESSION_UNAVAILABLE, FST_SESSION_UNCERTAIN, FST_SESSION_NOT_REPLICATED. Call it again after an error.
   * @example
   * await app.sessions.endAllOf(userId, { except: request.session.id })
   */
  async endAllOf(user: User, options: EndAllOptions = {}): Promise<number> {
    const users = this.#usersFor('endAllOf')
    const { except = [], ...others } = options
    const reason = reasonIn(others, 'sessions.endAllOf()')
    const kept = [except].flat().map((handle) => receivedAs(handle, 'endAllOf').handle)
    const { endAllOf } = await import('../users/of.js')
    return endAllOf(this.#parts, users, user, kept, reason)
  }

  #usersFor(method: string): Users {
    const { users } = this.#parts.context
    if (users === undefined) throw new OptionError('user', `is missing: set it for sessions.${method}()`)
    return users
  }

  /**
   * Every living session, in no order, read page by page. One that begins or moves meanwhile may be missing, and one may
   * come twice.
   * @throws FST_SESSION_OPTION if a custom store has no `keys()`; FST_SESSION_UNAVAILABLE
   * @example
   * for await (const { id, data } of app.sessions.all()) console.log(id, data.userId)
   */
  async *all(): AsyncGenerator<SessionInfo<Data>, void> {
    const { all } = await import('./all.js')
    yield* all(this.#parts) as AsyncGenerator<SessionInfo<Data>, void>
  }
}
