// A warning for developers: values that a serializer does not bring back as they were.
import { isDeepStrictEqual } from 'node:util'
import type { Dictionary } from '../serializers/serializer.js'
import { type Codec, typeName } from './codec.js'
import { EncodeError } from './errors.js'
import { type Log, report } from './events.js'

export class FidelityCheck {
  readonly #warned = new Set<string>()

  /**
   * Warns, once for each key, of what the payload lost of the data.
   * @throws {EncodeError} for a payload that cannot be decoded at all.
   */
  check(data: Dictionary, payload: Uint8Array, codec: Codec, log: Log): void {
    const { name } = codec.writer
    const back = decodeOwn(payload, codec, data)
    for (const [key, value] of Object.entries(data)) {
      if (this.#warned.has(key) || isDeepStrictEqual(value, back[key])) continue
      this.#warned.add(key)
      const loss = findLoss(key, value, back[key])
      report(
        log,
        'warn',
        { type: 'lossy', key: loss.path, valueType: loss.type, serializer: name },
        `session key ${loss.path}: serializer ${name} does not bring back this ${loss.type} as it was`
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
      `${Object.keys(data).join(', ')}: it does not decode what it encodes`
    )
  }
}

interface Loss {
  path: string
  type: string
}

// Down to the innermost value that alone explains the difference.
function findLoss(path: string, value: unknown, back: unknown): Loss {
  if (isPlain(value) && isPlain(back)) {
    for (const key of Object.keys(value)) {
      const [inner, innerBack] = [value[key], back[key]]
      if (!isDeepStrictEqual(inner, innerBack)) {
        return findLoss(Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`, inner, innerBack)
      }
    }
  }
  return { path, type: typeName(value) }
}

function isPlain(value: unknown): value is Dictionary {
  return Array.isArray(value) || (typeof value === 'object' && value !== null && typeName(value) === 'Object')
}
