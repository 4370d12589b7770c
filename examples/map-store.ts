// A custom store over a Map: about as small as a store can be that keeps the contract.
import { type Outcome, REVISION, type Store, TOUCH } from 'fastify-ioredis-session'

export class MapStore implements Store {
  readonly #entries = new Map<string, { record: Buffer; expiresAt: number }>()

  async read(key: string) {
    const record = this.#find(key)
    return record && Buffer.from(record)
  }
  async create(key: string, record: Uint8Array, expiresAt: number) {
    if (this.#find(key)) return false
    this.#entries.set(key, { record: Buffer.from(record), expiresAt })
    return true
  }
  async update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number) {
    return this.#when(key, revision, () => this.#entries.set(key, { record: Buffer.from(record), expiresAt }))
  }
  async touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number) {
    return this.#when(key, revision, (record) => {
      record.set(patch, TOUCH.offset)
      this.#entries.set(key, { record, expiresAt })
    })
  }
  async destroy(key: string, revision: Uint8Array) {
    return this.#when(key, revision, () => this.#entries.delete(key))
  }

  #find(key: string): Buffer | undefined {
    const entry = this.#entries.get(key)
    if (entry && entry.expiresAt > Date.now()) return entry.record
    this.#entries.delete(key)
    return undefined
  }
  #when(key: string, revision: Uint8Array, write: (record: Buffer) => unknown): Outcome {
    const record = this.#find(key)
    if (!record) return 'missing'
    const current = record.subarray(REVISION.offset, REVISION.offset + REVISION.length)
    if (!current.equals(revision)) return Buffer.from(record)
    write(record)
    return 'done'
  }
}
