// A cookie jar of a browser for one host (RFC 6265, section 5): name, path, expiry, deletion.

interface Kept {
  name: string
  value: string
  path: string
  /** Epoch milliseconds. Infinity for cookies that end with the browser. */
  endsAt: number
}

export class Jar {
  readonly #cookies = new Map<string, Kept>()

  /** Stores the cookies of a response, in order of arrival. */
  keep(lines: readonly string[], now = Date.now()): this {
    for (const line of lines) {
      const [pair = '', ...rest] = line.split(';')
      const at = pair.indexOf('=')
      const attributes = new Map(rest.map((part) => nameAndValue(part)))
      const maxAge = attributes.get('max-age')
      const expires = attributes.get('expires')
      let endsAt = Number.POSITIVE_INFINITY
      if (maxAge !== undefined) endsAt = Number(maxAge) <= 0 ? 0 : now + Number(maxAge) * 1000
      else if (expires !== undefined) endsAt = Date.parse(expires)
      const name = pair.slice(0, at).trim()
      const path = attributes.get('path') ?? '/'
      const key = `${name} ${path}`
      if (endsAt <= now) this.#cookies.delete(key)
      else this.#cookies.set(key, { name, value: pair.slice(at + 1).trim(), path, endsAt })
    }
    return this
  }

  /** The Cookie header of a request. `undefined` if there are no cookies. */
  header(path: string, now = Date.now()): string | undefined {
    const sent = [...this.#cookies.values()]
      .filter((cookie) => cookie.endsAt > now && isWithin(path, cookie.path))
      .sort((one, other) => other.path.length - one.path.length)
    return sent.length === 0 ? undefined : sent.map(({ name, value }) => `${name}=${value}`).join('; ')
  }

  /** The value of the cookie with this name. */
  get(name: string): string | undefined {
    return [...this.#cookies.values()].find((cookie) => cookie.name === name)?.value
  }

  copy(): Jar {
    const copy = new Jar()
    for (const [key, cookie] of this.#cookies) copy.#cookies.set(key, cookie)
    return copy
  }
}

function nameAndValue(part: string): [string, string] {
  const at = part.indexOf('=')
  const name = at < 0 ? part : part.slice(0, at)
  return [name.trim().toLowerCase(), at < 0 ? '' : part.slice(at + 1).trim()]
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
}
