// Warnings about values that a serializer does not bring back as they were.
import type { Dictionary } from '../../serializers/serializer.js'
import { EncodeError } from '../errors.js'
import { type Log, report } from '../events.js'
import { type Codec, typeName } from './codec.js'
import { type Budget, BudgetError, isEqual } from './equal.js'
import { keyName, keyNames } from './key-names.js'

/** About how many keys one process warns: a visitor may bring new ones for ever. */
const MAX_WARNED = 100
/** How many characters of the path of a value a message shows. */
const MAX_PATH = 200

/** Keys that were warned about. */
class Warned {
  readonly #keys = new Set<string>()

  /** Whether this is the first time for this key, and not one of too many. */
  isDue(key: string): boolean {
    if (this.#keys.has(key) || this.#keys.size >= MAX_WARNED) return false
    this.#keys.add(key)
    return true
  }

  has(key: string): boolean {
    return this.#keys.has(key) || this.#keys.size >= MAX_WARNED
  }
}

/** For developers: outside production each commit is checked. */
export class FidelityCheck {
  readonly #warned = new Warned()

  /**
   * Warns, once for each key, of what the payload lost of the data.
   * @throws {EncodeError} for a payload that cannot be decoded at all.
   */
  check(data: Dictionary, payload: Uint8Array, codec: Codec, log: Log): void {
    const { name } = codec.writer
    const back = decodeOwn(payload, codec, data)
    const budget = codec.newBudget()
    for (const [key, value] of Object.entries(data)) {
      if (this.#warned.has(key) || isSame(value, back[key], budget)) continue
      this.#warned.isDue(key)
      const loss = findLoss(keyName(key), value, back[key], budget)
      report(
        log,
        'warn',
        { type: 'lossy', key: loss.path, valueType: loss.type, serializer: name },
        `session key ${loss.path}: serializer ${name} does not bring back this ${loss.type} as it was`
      )
    }
  }
}

/** In production too: the writer cannot keep what a record holds, so the record's own serializer goes on. */
export class KeptReport {
  readonly #warned = new Warned()

  /**
   * Warns, once for each key and pair of serializers.
   * @param keys The top-level keys that the writer cannot keep, as `encodeLike` names them.
   * @param tag The serializer that encoded the record.
   */
  tell(keys: readonly string[], tag: number, data: Dictionary, codec: Codec, log: Log): void {
    const serializer = codec.writer.name
    const recordSerializer = codec.nameOf(tag)
    for (const name of keys) {
      const key = keyName(name)
      if (!this.#warned.isDue(`${serializer} ${recordSerializer} ${key}`)) continue
      const valueType = typeName(data[name])
      report(
        log,
        'warn',
        { type: 'kept', key, valueType, serializer, recordSerializer },
        `session key ${key}: serializer ${serializer} cannot keep this ${valueType}, so its record stays with ${recordSerializer}`
      )
    }
  }
}

function decodeOwn(payload: Uint8Array, codec: Codec, data: Dictionary): Dictionary {
  try {
    return codec.decode(codec.writer.tag, payload)
  } catch {
    throw new EncodeError(
      codec.writer.name,
      `${keyNames(Object.keys(data))}: it does not decode what it encodes`
    )
  }
}

interface Loss {
  path: string
  type: string
}

// Down to the innermost value that alone explains the difference.
function findLoss(path: string, value: unknown, back: unknown, budget: Budget): Loss {
  if (path.length <= MAX_PATH && isPlain(value) && isPlain(back)) {
    for (const key of Object.keys(value)) {
      const [inner, innerBack] = [value[key], back[key]]
      if (isSame(inner, innerBack, budget)) continue
      const name = keyName(key)
      return findLoss(Array.isArray(value) ? `${path}[${name}]` : `${path}.${name}`, inner, innerBack, budget)
    }
  }
  return { path, type: typeName(value) }
}

// What is too much to compare passes: this is a warning only.
function isSame(value: unknown, back: unknown, budget: Budget): boolean {
  try {
    return isEqual(value, back, budget)
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error
    return true
  }
}

function isPlain(value: unknown): value is Dictionary {
  return Array.isArray(value) || (typeof value === 'object' && value !== null && typeName(value) === 'Object')
}
