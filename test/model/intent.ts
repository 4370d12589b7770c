// What one request means to change, in the words of the application: what a commit must add to whatever is there.
import { isDeepStrictEqual } from 'node:util'
import type { Dictionary } from '../../serializers/serializer.js'

/** What a store holds of a session at one instant. */
export interface Content {
  data: Dictionary
  permanent: boolean
}

export const EMPTY: Content = { data: {}, permanent: false }

export class Intent {
  /** The keys that stay, where a regenerate drops the others. */
  keep: readonly string[] | undefined
  regenerate = false
  /** Keys without a rule, and the one whose rule is `'conflict'`; `undefined` deletes. */
  readonly assigned = new Map<string, unknown>()
  count = 0
  readonly log: string[] = []
  readonly tags: string[] = []
  best: number | undefined
  permanent: boolean | undefined

  /** @param base What the request has read. */
  constructor(readonly base: Content = EMPTY) {}

  assign(key: string, value: unknown): void {
    // To set what is there already is no change.
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
    this.permanent = false
  }

  /** Whoever drops data decides for itself; otherwise what is there already is no change. */
  remember(permanent: boolean): void {
    this.permanent = permanent === this.base.permanent && this.keep === undefined ? undefined : permanent
  }

  /** What is there after this request, if this is there before it. */
  applyTo({ data, permanent }: Content): Content {
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
    return { data: after, permanent: this.permanent ?? permanent }
  }

  /** For each change, whether a content shows it; one of a counter or list never does without a write. */
  get signs(): ((content: Content) => boolean)[] {
    const { best, permanent } = this
    return [
      () => this.count === 0 && this.log.length === 0 && !this.regenerate,
      ...this.tags.map((tag) => (is: Content) => listOf(is.data.tags).includes(tag)),
      (is) => best === undefined || Number(is.data.best) >= best,
      (is) => permanent === undefined || permanent === is.permanent,
      ...[...this.assigned].map(
        ([key, value]) =>
          (is: Content) =>
            isDeepStrictEqual(is.data[key], value)
      )
    ]
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
