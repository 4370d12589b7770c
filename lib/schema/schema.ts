// The schema of the application's data: brings stored data to the version of this process, and checks it.
import type { Dictionary } from '../../serializers/serializer.js'
import type { Versions } from '../data/codec.js'
import { isDictionary } from '../data/weight.js'
import { OptionError } from '../errors.js'
import { InvalidData, NotUpgraded } from './failures.js'
import type { Result, StandardSchema } from './standard-schema.js'

/**
 * Takes the data of one version to the next. It may change the data that it is given, and must be synchronous. The same
 * data must give the same result, since it is called again until a change is stored.
 */
export type Upgrade = (data: Dictionary) => Dictionary

/** What the data of a session looks like, and how that has changed. */
export interface SchemaOptions {
  /** The version of the data that this application stores, from 1. Sessions stored without a version have version 1. */
  version: number
  /** `upgrade[n]` takes data of version n to n + 1. All steps from 1 on are needed. */
  upgrade?: Readonly<Record<number, Upgrade>>
  /** Checks what is stored and what is read, at this version. It must be synchronous. */
  validate?: StandardSchema<unknown, object>
  /**
   * What a request gets if its stored data does not pass, or cannot be upgraded: an error, or an empty session. The record
   * stays; what is written to the empty session begins another one.
   * @default 'error'
   */
  onInvalid?: 'error' | 'empty'
}

export class Schema implements Versions {
  readonly version: number
  readonly #upgrade: Readonly<Record<number, Upgrade>>
  readonly #validate: StandardSchema<unknown, object> | undefined
  readonly #onInvalid: 'error' | 'empty'

  constructor({ version, upgrade = {}, validate, onInvalid = 'error' }: SchemaOptions) {
    this.version = version
    this.#upgrade = upgrade
    this.#validate = validate
    this.#onInvalid = onInvalid
  }

  read(data: Dictionary, version: number): Dictionary {
    // A later version of the application knows what that means.
    if (version > this.version) return data
    let current = data
    for (let at = version || 1; at < this.version; at++) current = this.#step(current, at)
    if (this.#validate === undefined) return current === data ? data : withoutUndefined(current)
    // A schema may return only the keys that it knows; others belong to plugins.
    return withoutUndefined({ ...current, ...this.#checked(current, this.#validate) })
  }

  #step(data: Dictionary, version: number): Dictionary {
    let upgraded: unknown
    try {
      upgraded = this.#upgrade[version]?.(data)
    } catch (error) {
      throw new NotUpgraded(version, `throws ${nameOf(error)}`, this.#onInvalid)
    }
    if (isDictionary(upgraded)) return upgraded
    refuseLater(upgraded)
    throw new NotUpgraded(version, 'returns no object', this.#onInvalid)
  }

  #checked(data: Dictionary, { '~standard': { validate } }: StandardSchema<unknown, object>): object {
    let result: Result<object> | Promise<Result<object>>
    try {
      result = validate(data)
    } catch (error) {
      throw new OptionError('schema.validate', `throws ${nameOf(error)}: correct it`)
    }
    if ('then' in result) {
      refuseLater(result)
      throw new OptionError('schema.validate', 'is asynchronous: use a schema that validates synchronously')
    }
    if (result.issues !== undefined) throw new InvalidData(result.issues, this.#onInvalid)
    return result.value
  }
}

// Serializers differ in whether they keep `undefined`.
function withoutUndefined(data: Dictionary): Dictionary {
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined))
}

// The message of an error may quote the data.
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}

// A rejection that nobody awaits must not end the process.
function refuseLater(value: unknown): void {
  if (value instanceof Promise) value.catch(() => {})
}
