// A person with a cookie, who opens streams and sockets.
import { once } from 'node:events'
import type { Test } from 'tap'
import WebSocket from 'ws'
import { Jar } from '../../lib/testing/jar.js'

export class Visitor {
  readonly #jar = new Jar()
  readonly #t: Test

  constructor(t: Test) {
    this.#t = t
  }

  get cookie(): string {
    return this.#jar.header('/') ?? ''
  }

  /** Sends a request, and keeps the cookies of the response. */
  async get(address: string, path: string): Promise<Response> {
    const response = await fetch(address + path, { headers: { cookie: this.cookie } })
    this.#jar.keep(response.headers.getSetCookie())
    return response
  }

  /** Opens a stream. Resolves when it is open, with a promise of its last line. */
  async listen(address: string): Promise<{ end: Promise<string>; leave(): void }> {
    const aborter = new AbortController()
    this.#t.teardown(() => aborter.abort())
    const response = await fetch(`${address}/events`, {
      headers: { cookie: this.cookie },
      signal: aborter.signal
    })
    const chunks = (response.body as ReadableStream<Uint8Array>).getReader()
    const first = await chunks.read()
    const rest = async () => {
      let text = ''
      for (let { value, done } = first; !done; { value, done } = await chunks.read())
        text += Buffer.from(value ?? [])
      return text.trim().split('\n\n').at(-1) ?? ''
    }
    const end = rest()
    end.catch(() => {})
    return { end, leave: () => aborter.abort() }
  }

  /** Opens a socket. Resolves when it is open, with a promise of the code and the reason of its end. */
  async connect(
    address: string
  ): Promise<{ end: Promise<[code: number, reason: string]>; socket: WebSocket }> {
    const socket = new WebSocket(`${address.replace('http', 'ws')}/socket`, {
      headers: { cookie: this.cookie }
    })
    this.#t.teardown(() => socket.terminate())
    const end = once(socket, 'close').then(([code, reason]) => [code, String(reason)] as [number, string])
    await Promise.race([once(socket, 'message'), end])
    return { end, socket }
  }
}
