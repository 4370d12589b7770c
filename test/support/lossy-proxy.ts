// A TCP proxy that loses replies: the server executes a command, and its reply never arrives.
import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'

export class LossyProxy {
  readonly #target: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #swallowed: (() => void) | undefined

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer((near) => this.#connect(near))
  }

  /** @param target The port on loopback that the proxy connects to. */
  static async open(t: Test, target: number): Promise<LossyProxy> {
    const proxy = new LossyProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    t.teardown(async () => {
      for (const socket of proxy.#sockets) socket.destroy()
      proxy.#server.close()
      await once(proxy.#server, 'close')
    })
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return address.port
  }

  /** Swallows all data of the server until `cut()`. Resolves when the server has sent something. */
  swallow(): Promise<void> {
    return new Promise((resolve) => {
      this.#swallowed = resolve
    })
  }

  /** Resets all connections. New ones lose nothing. */
  cut(): void {
    this.#swallowed = undefined
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Loses the reply to this work, runs `meanwhile`, and cuts the connection. */
  async lose<Result>(
    work: () => Promise<Result>,
    meanwhile: () => Promise<unknown> = async () => {}
  ): Promise<Result> {
    const swallowed = this.swallow()
    const result = work()
    // The caller handles it later.
    result.catch(() => {})
    await swallowed
    await meanwhile()
    this.cut()
    return result
  }

  #connect(near: Socket): void {
    const far = createConnection({ port: this.#target, host: '127.0.0.1', noDelay: true })
    near.setNoDelay(true)
    for (const [from, to] of [
      [near, far],
      [far, near]
    ] as const) {
      this.#sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
    near.on('data', (bytes) => far.write(bytes))
    far.on('data', (bytes) => {
      if (this.#swallowed === undefined) near.write(bytes)
      else this.#swallowed()
    })
  }
}
