// One record in the near cache, and its data as soon as a request looks at it.
import type { Buffer } from 'node:buffer'
import type { Dictionary } from '../../serializers/serializer.js'
import { type Header, SessionRecord } from '../records/record.js'
import type { Decoder, SharedData, SharedRecord } from '../records/shared.js'
import { copyOf, type Shared, share } from './share.js'

/** Bytes that an entry takes beside its record, as measured: its key, its header, and its place in the cache. */
const ENTRY_BYTES = 700

export class Entry extends SessionRecord implements SharedRecord {
  readonly #onGrowth: () => void
  #isDecoded = false
  #shared: Shared | undefined
  /** The bytes that it takes in memory. */
  size: number

  /** @param onGrowth Called when its size has changed. */
  constructor(bytes: Buffer, header: Header, onGrowth: () => void) {
    super(bytes, header)
    this.#onGrowth = onGrowth
    this.size = bytes.length + ENTRY_BYTES
  }

  share(decoder: Decoder): SharedData | undefined {
    if (!this.#isDecoded) this.#decode(decoder)
    return this.#shared?.data
  }

  copy(): Dictionary | undefined {
    return this.#shared?.isComplete === true ? copyOf(this.#shared.data) : undefined
  }

  #decode(decoder: Decoder): void {
    this.#isDecoded = true
    try {
      this.#shared = share(decoder.open(this))
      this.size += this.#shared.bytes
      this.#onGrowth()
    } catch {
      // The request that decodes it for itself reports why it cannot.
    }
  }
}
