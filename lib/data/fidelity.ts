// Warns about values that do not survive a round trip through the serializer.
import type { Dictionary } from '../../serializers/serializer.js'
import { EncodeError } from '../errors.js'
import { type Log, report } from '../events.js'
import { type Codec, type Stored, typeName } from './codec.js'
import { type Budget, BudgetError, isEqual } from './equal.js'
import { keyName, keyNames } from './key-names.js'

/** Maximum keys that one process warns about. A visitor may bring new keys forever. */
const MAX_WARNED = 100
/** Maximum characters of a path in a message. */
const MAX_PATH = 200

const CURE = 'convert it, or choose another serializer'

class Warned {
  readonly #keys = new Set<string>()

  /** Whether to warn about this key now. True once per key, until there are too many keys. */
  isDue(key: string): boolean {
    if (this.#keys.has(key) || this.#keys.size >= MAX_WARNED) return false
    this.#keys.add(key)
    return true
  }

  has(key: string): boolean {
    return this.#keys.has(key) || this.#keys.size >= MAX_WARNED
  }
}

/** Checks each commit outside production. */
export class FidelityCheck {
  readonly #warned = new Warned()

  /**
   * Warns, once per key, about values that the payload lost.
   * @throws {EncodeError} if the payload cannot be decoded
   */
  check(data: Dictionary, stored: Stored, codec: Codec, log: Log): void {
    const { name } = codec.writer
    const back = decodeOwn(stored, codec, data)
    const budget = codec.newBudget()
    for (const [key, value] of Object.entries(data)) {
      if (this.#warned.has(key) || isSame(value, back[key], budget)) continue
      this.#warned.isDue(key)
      const loss = findLoss(keyName(key), value, back[key], budget)
      report(
        log,
        'warn',
        { type: 'lossy', key: loss.path, valueType: loss.type, serializer: name },
        `session key ${loss.path}: serializer ${name} does not keep this ${loss.type}: ${CURE}`
      )
    }
  }
}

/** Reports, also in production, that the writer cannot keep a record's values, so the record keeps its serializer. */
export class KeptReport {
  readonly #warned = new Warned()

  /**
   * Warns once per key and pair of serializers.
   * @param keys The top-level keys that the writer cannot keep, from `encodeLike`.
   * @param tag The serializer that encoded the record.
   */
  warn(keys: readonly string[], tag: number, data: Dictionary, codec: Codec, log: Log): void {
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
        `session key ${key}: ${recordSerializer} still writes it, since ${serializer} cannot keep this ${valueType}: ${CURE}`
      )
    }
  }
}

function decodeOwn(stored: Stored, codec: Codec, data: Dictionary): Dictionary {
  try {
    return codec.open(stored)
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

// Descends to the innermost value that explains the difference.
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

// Values that are too large to compare count as equal, since this is only for a warning.
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
