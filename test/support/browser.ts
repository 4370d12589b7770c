// A minimal browser: a cookie jar in front of `app.inject`.
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'

export class Browser {
  /** Cookies by name. */
  readonly cookies = new Map<string, string>()
  #app: FastifyInstance

  constructor(app: FastifyInstance) {
    this.#app = app
  }

  /** The same browser. Its next requests go to another process of the service. */
  visit(app: FastifyInstance): this {
    this.#app = app
    return this
  }

  /** Sends a request with the browser's cookies, and keeps those of the response. */
  async request(url: string, options: Omit<InjectOptions, 'url'> = {}): Promise<LightMyRequestResponse> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await this.#app.inject({
      method: 'GET',
      ...options,
      url,
      headers: { ...(cookie === '' ? {} : { cookie }), ...options.headers }
    })
    for (const { name, value, maxAge } of response.cookies) {
      if (maxAge === 0) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return response
  }

  async json<T = unknown>(url: string, options?: Omit<InjectOptions, 'url'>): Promise<T> {
    return (await this.request(url, options)).json()
  }
}

/** The session cookie that a response sets, with its attributes. `undefined` if it sets none. */
export function sessionCookie(
  response: LightMyRequestResponse
): LightMyRequestResponse['cookies'][number] | undefined {
  return response.cookies.find(({ name }) => name.endsWith('session'))
}
