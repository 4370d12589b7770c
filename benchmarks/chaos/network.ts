// A TCP proxy in front of a server, as a network that fails.
import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * - `'open'`: as if it were not there.
 * - `'cut'`: connections are reset, new ones as soon as they are accepted.
 * - `'silent'`: connections are accepted, and nothing is ever heard on them again, not even when the network is well.
 * - a number: every packet takes so many milliseconds longer, in each direction.
 */
export type Network = 'open' | 'cut' | 'silent' | number

export class FailingNetwork {
  readonly #target: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #network: Network = 'open'

  /** @param target The port on loopback that it leads to. */
  constructor(target: number) {
    this.#target = target
    this.#server = createServer((near) => this.#connect(near))
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return address.port
  }

  become(network: Network): void {
    this.#network = network
    if (network === 'cut') for (const socket of this.#sockets) socket.resetAndDestroy()
    if (network === 'silent') for (const socket of this.#sockets) socket.removeAllListeners('data').resume()
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #connect(near: Socket): void {
    near.on('error', () => {})
    if (this.#network === 'cut') {
      near.resetAndDestroy()
      return
    }
    const far = createConnection({ port: this.#target, host: '127.0.0.1', noDelay: true })
    far.on('error', () => {})
    near.setNoDelay(true)
    this.#pass(near, far)
    this.#pass(far, near)
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from)
    let last = Promise.resolve<unknown>(undefined)
    const write = (bytes: Buffer) => to.writable && to.write(bytes)
    if (this.#network !== 'silent') {
      from.on('data', (bytes) => {
        const due = performance.now() + (typeof this.#network === 'number' ? this.#network : 0)
        last = last
          .then(() => (due > performance.now() ? sleep(due - performance.now()) : undefined))
          .then(() => write(bytes))
      })
    } else {
      from.resume()
    }
    from.on('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
  }
}
