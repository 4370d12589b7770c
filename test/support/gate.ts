// A store that a test holds up: an operation of one kind waits, before it takes place or before its answer.
import type { Buffer } from 'node:buffer'
import type { Outcome, Store } from '../../lib/index.js'

type Name = 'read' | 'create' | 'update' | 'touch' | 'destroy'

/** An operation that has been held up. */
export interface Held {
  /** Lets it go on. */
  release(): void
}

interface Trap {
  name: Name
  where: 'before' | 'after'
  spring(held: Held): void
}

export class GateStore implements Store {
  readonly #store: Store
  readonly #traps: Trap[] = []

  constructor(store: Store) {
    this.#store = store
  }

  /** Holds the next operation of this kind: resolves when it has come. */
  hold(name: Name, where: 'before' | 'after' = 'before'): Promise<Held> {
    return new Promise((resolve) => {
      this.#traps.push({ name, where, spring: resolve })
    })
  }

  read(key: string): Promise<Buffer | undefined> {
    return this.#pass('read', () => this.#store.read(key))
  }

  create(key: string, record: Uint8Array, expiresAt: number): Promise<boolean> {
    return this.#pass('create', () => this.#store.create(key, record, expiresAt))
  }

  update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number): Promise<Outcome> {
    return this.#pass('update', () => this.#store.update(key, revision, record, expiresAt))
  }

  touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome> {
    return this.#pass('touch', () => this.#store.touch(key, revision, patch, expiresAt))
  }

  destroy(key: string, revision: Uint8Array): Promise<Outcome> {
    return this.#pass('destroy', () => this.#store.destroy(key, revision))
  }

  async #pass<T>(name: Name, act: () => Promise<T>): Promise<T> {
    await this.#stop(name, 'before')
    const outcome = await act()
    await this.#stop(name, 'after')
    return outcome
  }

  async #stop(name: Name, where: 'before' | 'after'): Promise<void> {
    const index = this.#traps.findIndex((trap) => trap.name === name && trap.where === where)
    const [trap] = index < 0 ? [] : this.#traps.splice(index, 1)
    if (trap === undefined) return
    await new Promise<void>((resolve) => trap.spring({ release: resolve }))
  }
}
