// The cookies of one response, or the headers in their place, and what caches may then do with the response (RFC 9111).
import type { OutgoingHttpHeader, ServerResponse } from 'node:http'
import type { Sending } from './session-cookie.js'

type Headers = Record<string, OutgoingHttpHeader | undefined> | readonly unknown[]
type Head = Pick<
  ServerResponse,
  'getHeader' | 'getHeaderNames' | 'setHeader' | 'removeHeader' | 'appendHeader'
>

interface Pending {
  /** One response sets at most one cookie, or one header, with this name. */
  name: string
  /** A Set-Cookie header, or the value of the header `name`. */
  value: string
  isHeader: boolean
  withheld: Sending['withheld']
}

/** The request headers on which a response with a session depends, unless the option `transport` says others. */
export const VARY = 'Cookie'

/** Headers that override Cache-Control for caches near the server (RFC 9213; Surrogate-Control). */
const TARGETED = /.-cache-control$|^surrogate-control$/

/**
 * Decides when the headers are written. It thus sees headers of later hooks and of the raw response, and covers
 * hijacked replies, streams, errors and files. It costs nothing unless a cookie is set.
 */
export class ResponseCookies {
  readonly #pending = new Map<string, Pending>()

  readonly #vary: string

  constructor(raw: ServerResponse, vary: string) {
    this.#vary = vary
    const { writeHead } = raw
    // Node calls it for every response, even if the application does not.
    raw.writeHead = (status: number, reason?: string | Headers, headers?: Headers) => {
      const isReason = typeof reason === 'string'
      applyHeaders(raw, isReason ? headers : (headers ?? reason))
      this.#writeTo(raw)
      return Reflect.apply(writeHead, raw, isReason ? [status, reason] : [status])
    }
  }

  /** @param key Identifies the cookie in the browser: name, domain and path. */
  set(key: string, pending: Pending): void {
    this.delete(key)
    this.#pending.set(key, pending)
  }

  delete(key: string): void {
    this.#pending.delete(key)
  }

  #writeTo(head: Head): void {
    const pending = [...this.#pending.values()]
    const mustSend = pending.some(({ withheld }) => withheld === undefined)
    if (pending.length === 0) return
    if (!mustSend && isSharable(head)) {
      for (const { withheld } of pending) withheld?.()
      return
    }
    setCookies(
      head,
      pending.filter(({ isHeader }) => !isHeader)
    )
    for (const { isHeader, name, value } of pending) if (isHeader) head.setHeader(name, value)
    keepFromCaches(head)
    head.setHeader('vary', varyBy(this.#vary, head.getHeader('vary')))
  }
}

/** The Vary header of a response that has this one, and also varies by the request headers in `own`. */
export function varyBy(own: string, vary: OutgoingHttpHeader | undefined): string {
  if (vary === undefined) return own
  const fields = [vary].flat().join(', ')
  const known = fields.split(',').map((field) => field.trim().toLowerCase())
  if (known.includes('*')) return fields
  return [fields, ...own.split(', ').filter((name) => !known.includes(name.toLowerCase()))].join(', ')
}

function setCookies(head: Head, cookies: readonly Pending[]): void {
  if (cookies.length === 0) return
  const others = valuesOf(head, 'set-cookie').filter((other) =>
    cookies.every(({ name }) => !other.startsWith(`${name}=`))
  )
  head.setHeader('set-cookie', [...others, ...cookies.map(({ value }) => value)])
}

/** Whether shared caches may store and use the response. */
function isSharable(head: Pick<Head, 'getHeader' | 'getHeaderNames'>): boolean {
  const names = ['cache-control', ...head.getHeaderNames().filter((name) => TARGETED.test(name))]
  if (names.some((name) => isSharableBy(valuesOf(head, name).join(',')))) return true
  const expires = valuesOf(head, 'cache-control').length === 0 ? valuesOf(head, 'expires')[0] : undefined
  return expires !== undefined && Date.parse(expires) > Date.now()
}

function isSharableBy(control: string): boolean {
  const directives = directivesOf(control)
  if (directives.has('public')) return true
  if (['private', 'no-store', 'no-cache'].some((name) => directives.get(name) === '')) return false
  if (directives.has('immutable')) return true
  return ['max-age', 's-maxage'].some((name) => Number(directives.get(name)) > 0)
}

// Only `private` and `no-store` keep the response from all shared caches. With `no-cache` or `max-age=0` they may store
// it, and use it once the server confirms that it is unchanged.
function keepFromCaches(head: Head): void {
  for (const name of head.getHeaderNames()) if (TARGETED.test(name)) head.removeHeader(name)
  const control = valuesOf(head, 'cache-control').join(', ')
  const directives = directivesOf(control)
  const isKept = directives.get('private') === '' || directives.has('no-store')
  if (isKept && !directives.has('public')) return
  const isHarmless = control !== '' && !isSharable(head)
  head.setHeader('cache-control', isHarmless ? `${control}, private` : 'no-store')
}

/** Directives in lower case, with their arguments: '' if there is none; a list of fields without its quotes. */
function directivesOf(control: string): Map<string, string> {
  const directives = new Map<string, string>()
  for (const [, name = '', argument = ''] of control.matchAll(/([\w-]+)(?:\s*=\s*("[^"]*"|[^\s,]*))?/g)) {
    directives.set(name.toLowerCase(), argument.replaceAll('"', ''))
  }
  return directives
}

function valuesOf(head: Pick<Head, 'getHeader'>, name: string): string[] {
  return [head.getHeader(name) ?? []].flat().map(String)
}

// Like writeHead itself: its headers replace those set before. A list holds pairs, or alternating names and values.
function applyHeaders(head: Head, headers: Headers | undefined): void {
  if (!isList(headers)) {
    for (const [name, value] of Object.entries(headers ?? {}))
      head.setHeader(name, value as OutgoingHttpHeader)
    return
  }
  const isNested = Array.isArray(headers[0])
  const pairs = (
    isNested ? headers : headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]]] : []))
  ) as [string, string][]
  for (const [name] of pairs) head.removeHeader(name)
  for (const [name, value] of pairs) head.appendHeader(name, value)
}

function isList(headers: Headers | undefined): headers is readonly unknown[] {
  return Array.isArray(headers)
}
