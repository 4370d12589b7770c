// A record in the memory of the process, which many requests read at once.
import type { Dictionary } from '../../serializers/serializer.js'
import type { SessionRecord } from './record.js'

/**
 * Decoded data that requests share: a value is deeply frozen, or `undefined` if freezing cannot protect it. Each request
 * decodes the latter for itself.
 */
export type SharedData = ReadonlyMap<string, SharedValue | undefined>

export interface SharedValue {
  readonly value: unknown
}

export interface Decoder {
  open(record: SessionRecord): Dictionary
}

export interface SharedRecord extends SessionRecord {
  /** Its data, decoded on the first call; `undefined` if it cannot be decoded. */
  share(decoder: Decoder): SharedData | undefined
  /** Its data for one request, if that costs less than to decode it. */
  copy(): Dictionary | undefined
}
