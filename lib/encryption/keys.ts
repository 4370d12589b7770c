// The keys of one registration: the newest seals, all of them open.
import type { Buffer } from 'node:buffer'
import { OptionError } from '../errors.js'
import { type EncryptionKey, type Key, keyOf } from './key.js'

/** Where keys come from: the option, or a key service. */
export interface Keys {
  newest(): Key | Promise<Key>
  /** The key with this id; `undefined` if there is none. */
  find(id: Buffer): Key | undefined | Promise<Key | undefined>
}

/** A list of keys. */
export class KeyList implements Keys {
  readonly #newest: Key
  readonly #byId: ReadonlyMap<string, Key>

  /**
   * @param given Newest first.
   * @throws {OptionError} FST_SESSION_OPTION, naming the first key that cannot be used
   */
  constructor(given: readonly EncryptionKey[]) {
    if (!Array.isArray(given)) {
      throw new OptionError(
        'encryption.keys',
        'must be a list of keys, newest first, or an async function that returns one'
      )
    }
    const keys = given.map((key, index) => keyOf(key, `encryption.keys[${index}]`))
    const [newest] = keys
    if (newest === undefined) throw new OptionError('encryption.keys', 'must not be an empty list')
    this.#newest = newest
    this.#byId = new Map(keys.map((key) => [nameOf(key.id), key]))
  }

  newest(): Key {
    return this.#newest
  }

  find(id: Buffer): Key | undefined {
    return this.#byId.get(nameOf(id))
  }
}

export function nameOf(id: Buffer): string {
  return id.toString('latin1')
}
