// The id in a header, for clients without cookies. The names of the headers, and how the id stands in them.
import type { IncomingMessage } from 'node:http'
import { type Cookie, nameFor } from '../cookies/cookie.js'
import type { RequestCookies, SessionIds } from '../cookies/session-id.js'

/** A header that holds the id of a session. */
export interface HeaderTransportOptions {
  /**
   * The request header with the id: one of your own, such as `'x-session'`, or `'authorization'`, which holds it as
   * `Bearer …`.
   */
  header: string
  /**
   * The response header with a new id, or empty if the session has ended.
   * @default `header`, but `'x-session'` for `'authorization'`
   */
  responseHeader?: string
}

const AUTHORIZATION = 'authorization'
/** RFC 9110, section 11.1: the name of the scheme is case-insensitive. */
const BEARER = /^bearer(?: +(.*))?$/i
const NONE: readonly string[] = []

export class HeaderTransport {
  /** The request header. */
  readonly name: string
  /** The response header, in the place of the session cookie. */
  readonly cookie: Cookie
  /** Whether sessions never use cookies. */
  readonly isOnly: boolean
  /** The request headers that decide which session a response shows. */
  readonly vary: string
  readonly #next: string
  readonly #seen: string

  /** @param options Checked, in lower case. */
  constructor(options: Required<HeaderTransportOptions>, isOnly: boolean, production: boolean) {
    const { header, responseHeader } = options
    this.name = header
    this.isOnly = isOnly
    this.vary = isOnly ? header : `Cookie, ${header}`
    this.#next = nameFor('next', responseHeader)
    this.#seen = nameFor('seen', responseHeader)
    this.cookie = {
      name: responseHeader,
      isHeader: true,
      ...{ path: '/', secure: true, sameSite: 'lax', partitioned: false, httpOnly: true, production }
    }
  }

  /** Every header that it uses. */
  get names(): string[] {
    return [...new Set([this.name, this.cookie.name, this.#next, this.#seen])]
  }

  /** Reads the headers; `undefined` if the client does not use them. An empty header asks for the next id in a header. */
  receive(
    { headers, rawHeaders }: Pick<IncomingMessage, 'headers' | 'rawHeaders'>,
    ids: SessionIds
  ): RequestCookies | undefined {
    if (headers[this.name] === undefined) return undefined
    let id = valuesOf(rawHeaders, this.name)
    if (this.name === AUTHORIZATION) {
      const tokens = id.map((value) => BEARER.exec(value)).filter((match) => match !== null)
      // Another scheme is not for us.
      if (tokens.length === 0) return undefined
      id = tokens.map(([, token = '']) => token)
    }
    const companion = (name: string) => (headers[name] === undefined ? NONE : valuesOf(rawHeaders, name))
    return ids.read({
      id: id.filter(isSet),
      next: companion(this.#next).filter(isSet),
      seen: companion(this.#seen).filter(isSet)
    })
  }

  /** The headers of the next request of a client that got these response headers. */
  requestHeaders(got: ReadonlyMap<string, string>): Record<string, string> {
    const { [this.cookie.name]: id, ...companions } = Object.fromEntries(got)
    if (id === undefined) return companions
    return { ...companions, [this.name]: this.name === AUTHORIZATION ? `Bearer ${id}` : id }
  }
}

// Node drops the second Authorization header, and joins others by commas, as proxies may. None of them is preferred.
function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const raw = rawHeaders[at] as string
    if (raw.length !== name.length || raw.toLowerCase() !== name) continue
    for (const value of String(rawHeaders[at + 1]).split(',')) values.push(value.trim())
  }
  return values
}

function isSet(value: string): boolean {
  return value !== ''
}
