// The changes that one request intends. A commit must apply them to the session that the store holds by then.
import { isDeepStrictEqual } from 'node:util'
import type { Dictionary } from '../../serializers/serializer.js'

/** The content of a session in the store. */
export interface Content {
  data: Dictionary
  permanent: boolean
  lifetime: number | undefined
}

export const EMPTY: Content = { data: {}, permanent: false, lifetime: undefined }

export class Intent {
  /** The keys to keep if `regenerate()` drops the others. */
  keep: readonly string[] | undefined
  regenerate = false
  /** New values of keys without a merge rule and of the key with the rule `'conflict'`; `undefined` deletes the key. */
  readonly assigned = new Map<string, unknown>()
  count = 0
  readonly log: string[] = []
  readonly tags: string[] = []
  best: number | undefined
  permanent: boolean | undefined
  /** Set if it changes the lifetime. */
  lifetime: { value: number | undefined } | undefined
  /** `regenerate()` has left no data, which begins another session. */
  startsOver = false

  /** @param base The content that the request read. */
  constructor(readonly base: Content = EMPTY) {}

  assign(key: string, value: unknown): void {
    // Setting a key to its current value is no change.
    if (isDeepStrictEqual(this.kept(this.base.data)[key], value)) this.assigned.delete(key)
    else this.assigned.set(key, value)
  }

  drop(keep: readonly string[]): void {
    this.keep = this.keep?.filter((key) => keep.includes(key)) ?? keep
    for (const key of this.assigned.keys()) if (!keep.includes(key)) this.assigned.delete(key)
    if (!keep.includes('count')) this.count = 0
    if (!keep.includes('log')) this.log.length = 0
    if (!keep.includes('tags')) this.tags.length = 0
    if (!keep.includes('best')) this.best = undefined
  }

  /** Setting the current value is no change, unless the request drops data. */
  remember(permanent: boolean): void {
    this.permanent = permanent === this.base.permanent && this.keep === undefined ? undefined : permanent
  }

  /** Setting the current value is no change, unless another session begins. */
  live(value: number | undefined): void {
    this.lifetime = value === this.base.lifetime && !this.startsOver ? undefined : { value }
  }

  /** @param keep The keys that the new id keeps; `undefined` for all. */
  renew(keep: readonly string[] | undefined): void {
    this.regenerate = true
    if (keep === undefined) return
    this.drop(keep)
    this.permanent = false
    if (Object.keys(this.applyTo(this.base).data).length > 0) return
    this.startsOver = true
    this.lifetime = { value: undefined }
  }

  /** The content after this request, given the content before it. */
  applyTo({ data, permanent, lifetime }: Content): Content {
    const after = { ...this.kept(data) }
    for (const [key, value] of this.assigned) {
      if (value === undefined) delete after[key]
      else after[key] = value
    }
    if (this.count > 0) after.count = Number(after.count ?? 0) + this.count
    if (this.log.length > 0) after.log = [...listOf(after.log), ...this.log]
    const tags = this.tags.filter((tag) => !listOf(after.tags).includes(tag))
    if (tags.length > 0) after.tags = [...listOf(after.tags), ...tags]
    if (this.best !== undefined) after.best = Math.max(Number(after.best ?? 0), this.best)
    return {
      data: after,
      permanent: this.permanent ?? permanent,
      lifetime: this.lifetime === undefined ? lifetime : this.lifetime.value
    }
  }

  /** Whether a content already includes all changes. Counters, lists and new ids always need a write. */
  isShownBy({ data, permanent, lifetime }: Content): boolean {
    return (
      this.count === 0 &&
      this.log.length === 0 &&
      !this.regenerate &&
      this.tags.every((tag) => listOf(data.tags).includes(tag)) &&
      (this.best === undefined || Number(data.best) >= this.best) &&
      (this.permanent === undefined || this.permanent === permanent) &&
      (this.lifetime === undefined || this.lifetime.value === lifetime) &&
      [...this.assigned].every(([key, value]) => isDeepStrictEqual(data[key], value))
    )
  }

  kept(data: Dictionary): Dictionary {
    const { keep } = this
    return keep === undefined
      ? data
      : Object.fromEntries(Object.entries(data).filter(([key]) => keep.includes(key)))
  }
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value : []
}
