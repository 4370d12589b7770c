// Stored data that this application cannot use.
import { keyName, keyNames } from '../data/key-names.js'
import { PayloadError } from '../data/payload-error.js'
import { InvalidError, UpgradeError } from '../errors.js'
import type { Issue } from './standard-schema.js'

/** Maximum characters of a path in a message. */
const MAX_PATH = 200

/** Data that does not pass the schema. */
export class InvalidData extends PayloadError {
  readonly #where: string

  constructor(issues: readonly Issue[], policy: 'empty' | 'error') {
    const where = keyNames([...new Set(issues.map(pathOf))], (path) => path)
    super(`it does not pass schema.validate at ${where}`, policy)
    this.#where = where
  }

  override refusal(handle: string): Error {
    return new InvalidError(handle, this.#where)
  }
}

/** Data of an earlier version that does not become data of this one. */
export class NotUpgraded extends PayloadError {
  readonly #version: number
  readonly #why: string

  constructor(version: number, why: string, policy: 'empty' | 'error') {
    super(`schema.upgrade[${version}] ${why}`, policy)
    this.#version = version
    this.#why = why
  }

  override refusal(handle: string): Error {
    return new UpgradeError(handle, this.#version, this.#why)
  }
}

function pathOf({ path = [] }: Issue): string {
  let shown = ''
  for (const segment of path) {
    const key = typeof segment === 'object' ? segment.key : segment
    if (typeof key === 'number') shown += `[${key}]`
    else shown += shown === '' ? keyName(key) : `.${keyName(key)}`
    if (shown.length > MAX_PATH) return `${shown.slice(0, MAX_PATH)}…`
  }
  return shown === '' ? 'the session as a whole' : shown
}
