// Verifies the cookies of one other library. What does not verify costs no command.
import { Buffer } from 'node:buffer'
import type { SessionIds } from '../cookies/session-id.js'
import { lruCache } from '../data/lru-cache.js'
import { announce } from '../events.js'
import type { Library } from './library.js'
import type { Claim } from './old-sessions.js'

/** Maximum values of one cookie to look at. A browser may hold several, for other domains and paths. */
const MAX_VALUES = 4
/** Maximum verified cookies to remember. */
const REMEMBERED = 10_000

export class OldCookies {
  readonly #library: Library
  readonly #ids: SessionIds
  // Browsers repeat the old cookie with every request until they are closed.
  readonly #verified = lruCache<Claim>(REMEMBERED)

  constructor(library: Library, ids: SessionIds) {
    this.#library = library
    this.#ids = ids
  }

  /** What these cookies lead to; `undefined` if they do not verify, or lead to different sessions. */
  receive(header: string): Claim | undefined {
    const { name, also = [] } = this.#library.adopter.cookie
    const values = valuesOf(header, name)
    if (values.length === 0) return undefined
    const others = also.map((each) => valuesOf(header, each))
    const sent = [values, ...others].map((each) => each.join(';')).join('\n')
    const known = this.#verified.get(sent)
    if (known !== undefined) return known
    const claim = this.#verify(values, (other) => others[also.indexOf(other)] ?? [])
    // A copy, because a substring keeps the whole Cookie header in memory.
    if (claim !== undefined) this.#verified.set(copyOf(sent), claim)
    return claim
  }

  #verify(values: readonly string[], others: (name: string) => readonly string[]): Claim | undefined {
    const library = this.#library
    const { name: libraryName } = library.adopter
    const [key, ...more] = new Set(values.flatMap((value) => keyOf(library, value, others) ?? []))
    // As with our own cookies: if two are valid, it is unclear which one is the visitor's.
    if (key === undefined || more.length > 0) {
      const reason = key === undefined ? 'signature' : 'ambiguous'
      announce({ type: 'unadopted', library: libraryName, reason })
      return undefined
    }
    const origin = `${libraryName}\n${key}`
    const id = this.#ids.derive(origin)
    const received = { id, handle: this.#ids.handleOf(id), outdated: false, seen: undefined }
    return { library, key: copyOf(key), origin: copyOf(origin), received }
  }
}

// An error of an adopter must not end the process, and a cookie that it does not expect is not valid.
function keyOf(
  { adopter }: Library,
  value: string,
  others: (name: string) => readonly string[]
): string | undefined {
  try {
    const oldId = adopter.verify(value, others)
    return oldId === undefined ? undefined : adopter.keyOf(oldId)
  } catch {
    return undefined
  }
}

function valuesOf(header: string, name: string): string[] {
  const start = `${name}=`
  if (!header.includes(start)) return []
  const pairs = header.split(';').map((pair) => pair.trim())
  const values = pairs.filter((pair) => pair.startsWith(start)).map((pair) => pair.slice(start.length))
  // RFC 6265, section 4.1.1: a value may be in double quotes.
  return values.slice(0, MAX_VALUES).map((value) => (/^".*"$/.test(value) ? value.slice(1, -1) : value))
}

function copyOf(text: string): string {
  return Buffer.from(text).toString()
}
