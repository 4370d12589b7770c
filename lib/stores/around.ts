// A store around another one: what is common to all that stand between a request and its store.
import type { Buffer } from 'node:buffer'
import type { Outcome, Store } from './store.js'

export type Operation = 'read' | 'create' | 'update' | 'touch' | 'destroy'

export abstract class StoreAround implements Store {
  readonly #inner: Store

  constructor(inner: Store) {
    this.#inner = inner
  }

  /** Does what is to happen around an operation of the inner store, which `call` carries out. */
  protected abstract around<Result>(operation: Operation, call: () => Promise<Result>): Promise<Result>

  read(key: string): Promise<Buffer | undefined> {
    return this.around('read', () => this.#inner.read(key))
  }

  create(key: string, record: Uint8Array, expiresAt: number): Promise<boolean> {
    return this.around('create', () => this.#inner.create(key, record, expiresAt))
  }

  update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number): Promise<Outcome> {
    return this.around('update', () => this.#inner.update(key, revision, record, expiresAt))
  }

  touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome> {
    return this.around('touch', () => this.#inner.touch(key, revision, patch, expiresAt))
  }

  destroy(key: string, revision: Uint8Array): Promise<Outcome> {
    return this.around('destroy', () => this.#inner.destroy(key, revision))
  }
}
