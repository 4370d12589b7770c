// A browser of one server with a cookie jar.

/** Milliseconds after which a request fails. */
export const PATIENCE = 5_000

export interface Answer {
  status: number
  body: unknown
}

export class Visitor {
  readonly #port: () => number
  #cookies = new Map<string, string>()

  constructor(port: () => number) {
    this.#port = port
  }

  /** A second visitor with the same cookies. */
  twin(): Visitor {
    const twin = new Visitor(this.#port)
    twin.#cookies = new Map(this.#cookies)
    return twin
  }

  async get(path: string): Promise<Answer> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(`http://127.0.0.1:${this.#port()}${path}`, {
      headers: { cookie },
      signal: AbortSignal.timeout(PATIENCE)
    })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/max-age=0|expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    return { status: response.status, body: await response.json() }
  }
}
