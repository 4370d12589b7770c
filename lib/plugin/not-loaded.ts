// The session of a request before the plugin's hook, as earlier hooks and log serializers find it: empty. Reading it
// creates nothing; only a change is an error.

import { NotLoadedError, rejected } from '../errors.js'
import { Draft } from '../session/draft.js'
import {
  createSession,
  type Session,
  type SessionHost,
  type SessionOwner,
  type SessionView
} from '../session/session.js'

export class NotLoaded implements SessionOwner, SessionHost {
  readonly #decorator: string
  readonly state: SessionView
  readonly session: Session
  readonly isModified = false
  readonly endedBecause = undefined
  readonly deviceBound = undefined
  /** The error that the request fails with. */
  failure: Error | undefined

  constructor(decorator: string) {
    this.#decorator = decorator
    this.state = {
      draft: new Draft({ beforeChange: () => this.#refuse(), afterHandOut() {} }),
      nextHandle: '',
      isNew: true,
      destroyed: false,
      rolledBack: false,
      detached: 'not loaded'
    }
    this.session = createSession(this, this)
  }

  get signal(): never {
    return this.#refuse()
  }

  /** There is nothing to commit. */
  end(): undefined {}

  save(): Promise<void> {
    return this.#reject()
  }

  reload(): Promise<void> {
    return this.#reject()
  }

  destroy(): Promise<void> {
    return this.#reject()
  }

  regenerate(): Promise<void> {
    return this.#reject()
  }

  touch(): never {
    return this.#refuse()
  }

  setCookie(): never {
    return this.#refuse()
  }

  // Calls the callbacks too: a hook that passed its `done` would otherwise wait forever.
  fail(error: Error, given: readonly unknown[]): void {
    this.failure = error
    for (const callback of given) if (typeof callback === 'function') callback(error)
  }

  hint(): void {}

  #refuse(): never {
    throw new NotLoadedError(this.#decorator)
  }

  #reject(): Promise<never> {
    this.failure = new NotLoadedError(this.#decorator)
    return rejected(this.failure)
  }
}
