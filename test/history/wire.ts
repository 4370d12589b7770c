// A TCP proxy in front of a Redis server that does to commands what networks do.
import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * What happens to bytes in which a client writes something.
 * - `'pass'`: nothing.
 * - `'lose'`: they are carried out, and the connection breaks before the answer.
 * - `'cut'`: the connection breaks before they arrive.
 * - a number: the answer takes so many milliseconds longer, as does what follows it on the connection.
 */
export type Fate = 'pass' | 'lose' | 'cut' | number

const WRITES = ['evalsha\r\n', '\r\neval\r\n', '\r\nset\r\n']

interface Link {
  near: Socket
  far: Socket
}

export class Wire {
  /** Asked for everything that a client writes. */
  fate: () => Fate = () => 'pass'
  /** Milliseconds that everything the server says takes longer. */
  slowAnswers = 0
  /** How many answers were lost and how many writes were cut. */
  readonly counts = { lost: 0, cut: 0 }
  #target: number
  readonly #server: Server
  readonly #links = new Set<Link>()
  #isFrozen = false

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

  /** From now on it leads to another server; what was connected to the one before is cut off. */
  lead(target: number): void {
    this.#target = target
    this.cut()
  }

  cut(): void {
    for (const link of this.#links) this.#end(link)
  }

  /** Nothing passes in either direction; what was sent meanwhile arrives with `thaw()`. */
  freeze(): void {
    this.#isFrozen = true
    for (const { near, far } of this.#links) {
      near.pause()
      far.pause()
    }
  }

  thaw(): void {
    this.#isFrozen = false
    for (const { near, far } of this.#links) {
      near.resume()
      far.resume()
    }
  }

  /** As if it were not there. */
  heal(): void {
    this.fate = () => 'pass'
    this.slowAnswers = 0
    this.thaw()
  }

  async close(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #connect(near: Socket): void {
    const far = createConnection({ port: this.#target, host: '127.0.0.1', noDelay: true })
    const link = { near: near.setNoDelay(true), far }
    this.#links.add(link)
    let isLost = false
    let late = 0
    near.on('data', (bytes) => {
      const fate = WRITES.some((word) => bytes.includes(word)) ? this.fate() : 'pass'
      if (fate === 'cut') {
        this.counts.cut++
        this.#end(link)
        return
      }
      if (fate === 'lose') isLost = true
      late = typeof fate === 'number' ? fate : late
      if (far.writable) far.write(bytes)
    })
    let last = Promise.resolve<unknown>(undefined)
    far.on('data', (bytes) => {
      if (isLost) {
        this.counts.lost++
        this.#end(link)
        return
      }
      const due = performance.now() + late + this.slowAnswers
      late = 0
      last = last
        .then(() => (due > performance.now() ? sleep(due - performance.now()) : undefined))
        .then(() => near.writable && near.write(bytes))
    })
    for (const socket of [near, far]) {
      socket.on('error', () => {})
      socket.on('close', () => this.#end(link))
      if (this.#isFrozen) socket.pause()
    }
  }

  #end(link: Link): void {
    this.#links.delete(link)
    link.near.destroy()
    link.far.destroy()
  }
}
