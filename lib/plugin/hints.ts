// Logs advice for developers, once per name.
import type { Log } from '../events.js'

export class Hints {
  readonly #given = new Set<string>()

  give(log: Log, name: string, advice: string): void {
    if (this.#given.has(name)) return
    this.#given.add(name)
    log.warn({ name }, advice)
  }
}
