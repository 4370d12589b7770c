// A TCP proxy in front of a Redis server, with the faults of a network.
import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * What happens to data that a client sends and that contains a write.
 * - `'pass'`: nothing.
 * - `'lose'`: the server executes it, and the connection breaks before the reply.
 * - `'cut'`: the connection breaks before it arrives.
 * - a number: its reply, and all later replies on the connection, are delayed by this many milliseconds.
 */
export type Fate = 'pass' | 'lose' | 'cut' | number

const WRITES = ['evalsha\r\n', '\r\neval\r\n', '\r\nset\r\n']

interface Link {
  near: Socket
  far: Socket
  /** Neither side receives anything any more. */
  isSilent: boolean
}

export class Wire {
  /** Called for all data that a client sends. */
  fate: () => Fate = () => 'pass'
  /** Delays all data of clients, in milliseconds. */
  slowCommands = 0
  /** Delays all data of the server, in milliseconds. */
  slowAnswers = 0
  /** How many replies were lost and how many writes were cut. */
  readonly counts = { lost: 0, cut: 0 }
  #target: number
  readonly #server: Server
  readonly #links = new Set<Link>()
  #isFrozen = false
  #isSilent = false
  #isRefusing = false

  /** @param target The port on loopback that the proxy connects to. */
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

  /** Connects to another server from now on, and cuts the existing connections. */
  lead(target: number): void {
    this.#target = target
    this.cut()
  }

  cut(): void {
    for (const link of this.#links) this.#end(link)
  }

  /** Resets all connections and, until `heal()`, new ones too. */
  refuse(): void {
    this.#isRefusing = true
    for (const { near, far } of this.#links) for (const socket of [near, far]) socket.resetAndDestroy()
  }

  /** Silences all connections, and those accepted until `heal()`, for good. */
  silence(): void {
    this.#isSilent = true
    for (const link of this.#links) link.isSilent = true
  }

  /** Nothing passes in either direction. Data that was sent meanwhile arrives with `thaw()`. */
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

  /** As if the proxy did not exist. */
  heal(): void {
    this.fate = () => 'pass'
    this.slowCommands = 0
    this.slowAnswers = 0
    this.#isRefusing = false
    this.#isSilent = false
    this.thaw()
  }

  async close(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #connect(near: Socket): void {
    if (this.#isRefusing) {
      near.on('error', () => {}).resetAndDestroy()
      return
    }
    const far = createConnection({ port: this.#target, host: '127.0.0.1', noDelay: true })
    const link: Link = { near: near.setNoDelay(true), far, isSilent: this.#isSilent }
    this.#links.add(link)
    const [toFar, toNear] = [this.#inOrder(link, far), this.#inOrder(link, near)]
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
      toFar(bytes, this.slowCommands)
    })
    far.on('data', (bytes) => {
      if (isLost) {
        this.counts.lost++
        this.#end(link)
        return
      }
      toNear(bytes, late + this.slowAnswers)
      late = 0
    })
    for (const socket of [near, far]) {
      socket.on('error', () => {})
      socket.on('close', () => this.#end(link))
      if (this.#isFrozen) socket.pause()
    }
  }

  /** Writes to one side of a link after a delay in milliseconds, and never before earlier data. */
  #inOrder(link: Link, to: Socket): (bytes: Buffer, delay: number) => void {
    let last = Promise.resolve<unknown>(undefined)
    return (bytes, delay) => {
      const due = performance.now() + delay
      last = last
        .then(() => (due > performance.now() ? sleep(due - performance.now()) : undefined))
        .then(() => !link.isSilent && to.writable && to.write(bytes))
    }
  }

  #end(link: Link): void {
    this.#links.delete(link)
    link.near.destroy()
    link.far.destroy()
  }
}
