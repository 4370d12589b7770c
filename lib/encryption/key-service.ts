// Keys that a function of the application returns. It is asked at the start, and again when a record names an unknown key:
// another process may have begun to seal with it.
import type { Buffer } from 'node:buffer'
import { now } from '../clock.js'
import { within } from '../deadline.js'
import { KeysUnavailableError, OptionError } from '../errors.js'
import type { EncryptionKey, Key } from './key.js'
import { KeyList, type Keys, nameOf } from './keys.js'

/** Milliseconds. */
export interface KeyServiceLimits {
  /** How long an answer may take. */
  timeout: number
  /** Minimum time between two questions that records cause. */
  pause: number
}

export class KeyService implements Keys {
  readonly #fetch: () => Promise<readonly EncryptionKey[]>
  readonly #limits: KeyServiceLimits
  #keys: KeyList | undefined
  #asking: Promise<KeyList> | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  /** The unknown keys whose records caused the last question. */
  readonly #unknown = new Set<string>()

  constructor(fetch: () => Promise<readonly EncryptionKey[]>, limits: KeyServiceLimits) {
    this.#fetch = fetch
    this.#limits = limits
  }

  newest(): Key | Promise<Key> {
    return this.#keys?.newest() ?? this.#askAgain().then((keys) => keys.newest())
  }

  find(id: Buffer): Key | undefined | Promise<Key | undefined> {
    return this.#keys?.find(id) ?? this.#search(id)
  }

  /**
   * Asks now. Concurrent calls share the answer.
   * @throws {OptionError} FST_SESSION_OPTION if the answer is no list of keys
   * @throws {KeysUnavailableError} FST_SESSION_UNAVAILABLE if there is none
   */
  ask(): Promise<KeyList> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** Whether the last question is too recent for another one. */
  get #isAsked(): boolean {
    return now() - this.#askedAt < this.#limits.pause
  }

  async #ask(): Promise<KeyList> {
    const { timeout } = this.#limits
    this.#askedAt = now()
    this.#unknown.clear()
    const late = () => new KeysUnavailableError(`no answer within ${timeout} ms`)
    this.#keys = new KeyList(await within(this.#askedAt + timeout, this.#call(), late))
    return this.#keys
  }

  // The error of a key service may quote secrets.
  async #call(): Promise<readonly EncryptionKey[]> {
    try {
      return await this.#fetch()
    } catch (error) {
      const { code, name } = (error ?? {}) as NodeJS.ErrnoException
      throw new KeysUnavailableError(code ?? name ?? 'no reason')
    }
  }

  // A key does not exist if an answer to a later question lacks it. Until then, the request may be sent again.
  async #search(id: Buffer): Promise<Key | undefined> {
    const name = nameOf(id)
    if (this.#isAsked && this.#unknown.has(name)) return undefined
    const isFirst = this.#asking === undefined
    const keys = await this.#askAgain()
    if (isFirst) this.#unknown.add(name)
    const key = keys.find(id)
    if (key === undefined && !this.#unknown.has(name)) throw askedAlready()
    return key
  }

  async #askAgain(): Promise<KeyList> {
    if (this.#asking === undefined && this.#isAsked) throw askedAlready()
    try {
      return await this.ask()
    } catch (error) {
      throw error instanceof OptionError ? new KeysUnavailableError(error.message) : error
    }
  }
}

function askedAlready(): Error {
  return new KeysUnavailableError('no new answer (its service is asked at most every two seconds)')
}
