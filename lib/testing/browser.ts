// A browser without a network: a cookie jar in front of `app.inject`.
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { Jar } from './jar.js'

/**
 * Keeps the cookies of the responses, and sends them with the next requests.
 * @example
 * const browser = new Browser(app)
 * await browser.inject({ method: 'POST', url: '/login', payload: { name: 'ada' } })
 * const { body } = await browser.inject('/')
 */
export class Browser {
  readonly #app: FastifyInstance
  readonly #jar = new Jar()

  /** @param headers What `signedIn()` returned. Without it the browser has no cookies. */
  constructor(app: FastifyInstance, headers: { cookie?: string } = {}) {
    this.#app = app
    this.#jar.keep(headers.cookie?.split('; ') ?? [])
  }

  /** The value of the cookie with this name; `undefined` if the browser has none. */
  cookie(name: string): string | undefined {
    return this.#jar.get(name)
  }

  /** As `app.inject()`, with the browser's cookies. */
  async inject(options: InjectOptions | string): Promise<LightMyRequestResponse> {
    const request: InjectOptions = typeof options === 'string' ? { url: options } : options
    const url = request.url ?? request.path ?? ''
    const path = typeof url === 'string' ? new URL(url, 'http://localhost').pathname : url.pathname
    const cookie = this.#jar.header(path)
    const headers = { ...(cookie === undefined ? {} : { cookie }), ...request.headers }
    const response = await this.#app.inject({ ...request, headers })
    this.#jar.keep([response.headers['set-cookie'] ?? []].flat())
    return response
  }
}
