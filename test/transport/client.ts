// A client without a cookie jar: it keeps the headers of a session, by the rules of docs/transport.md.
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'

export interface Names {
  /** The request header. */
  request: string
  /** The response header. Its companions begin with it. */
  response: string
}

export class Client {
  /** What it holds, by the names of the response headers. Empty in the beginning: it asks for a header. */
  readonly held = new Map<string, string>()
  readonly #names: Names
  #app: FastifyInstance

  constructor(app: FastifyInstance, names: Names) {
    this.#app = app
    this.#names = names
  }

  /** The same client. Its next requests go to another process of the service. */
  visit(app: FastifyInstance): this {
    this.#app = app
    return this
  }

  /** The value of the id; `undefined` if it has none. */
  get id(): string | undefined {
    return this.held.get(this.#names.response)
  }

  set id(value: string) {
    this.held.set(this.#names.response, value)
  }

  get headers(): Record<string, string> {
    const { [this.#names.response]: id = '', ...companions } = Object.fromEntries(this.held)
    const isBearer = this.#names.request === 'authorization'
    return { ...companions, [this.#names.request]: isBearer ? `Bearer ${id}`.trim() : id }
  }

  async request(url: string, options: Omit<InjectOptions, 'url'> = {}): Promise<LightMyRequestResponse> {
    const sent = new Map(this.held)
    const headers = { ...this.headers, ...options.headers }
    const response = await this.#app.inject({ method: 'GET', ...options, url, headers })
    const { response: name } = this.#names
    for (const each of [name, `${name}-next`, `${name}-seen`]) {
      const value = response.headers[each]
      // A late response must not replace what a newer one has brought.
      if (typeof value !== 'string' || this.held.get(each) !== sent.get(each)) continue
      if (value === '') this.held.delete(each)
      else this.held.set(each, value)
    }
    return response
  }

  async json<T = unknown>(url: string, options?: Omit<InjectOptions, 'url'>): Promise<T> {
    return (await this.request(url, options)).json()
  }
}
