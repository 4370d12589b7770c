// The standard streams of a command: text, JSON, colours and questions. Nothing else writes to them.
import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { styleText } from 'node:util'
import { visible } from '../data/key-names.js'
import { type Io, type Output, UsageError } from './io.js'

type Style = Parameters<typeof styleText>[0]

/** Nobody reads the output any more, as after `| head`. */
export class ClosedError extends Error {}

export class Terminal {
  readonly #io: Io
  /** Whether stdout is for programs. */
  readonly json: boolean
  #isClosed = false
  #bar: { clear(): void } | undefined

  constructor(io: Io, json: boolean) {
    this.#io = io
    this.json = json
    io.stdout.on('error', () => {
      this.#isClosed = true
    })
  }

  get stderr(): Output {
    return this.#io.stderr
  }

  /** The characters of a line. */
  get columns(): number {
    return this.#io.stdout.columns ?? 100
  }

  /** While it is drawn, lines go above it. */
  set bar(bar: { clear(): void } | undefined) {
    this.#bar = bar
  }

  /** Text for people, without untrusted characters. */
  async print(text: string): Promise<void> {
    await this.#write(`${text}\n`)
  }

  /** One document, or one line of several. */
  async printJson(value: unknown): Promise<void> {
    await this.#write(`${escaped(JSON.stringify(value))}\n`)
  }

  /** A line for people that is not part of the result. */
  note(text: string): void {
    this.#bar?.clear()
    this.#io.stderr.write(`${visible(text)}\n`)
  }

  fail(message: string): void {
    this.#bar?.clear()
    this.#io.stderr.write(`${paint(this.#io, this.#io.stderr, 'red', 'error:')} ${visible(message)}\n`)
  }

  paint(style: Style, text: string): string {
    return paint(this.#io, this.#io.stdout, style, text)
  }

  /**
   * Asks before something that cannot be undone.
   * @throws {UsageError} if there is nobody to ask
   */
  async confirm(question: string, isAgreed: boolean | undefined): Promise<boolean> {
    if (isAgreed === true) return true
    const { stdin, stderr } = this.#io
    if (stdin.isTTY !== true || stderr.isTTY !== true) {
      throw new UsageError('there is no terminal to ask for confirmation: pass --yes to go ahead')
    }
    const lines = createInterface({ input: stdin, output: stderr })
    try {
      const ended = once(lines, 'close').then(() => '')
      const answer = await Promise.race([lines.question(`${question} [y/N] `), ended])
      return /^y(es)?$/i.test(answer.trim())
    } finally {
      lines.close()
    }
  }

  async #write(text: string): Promise<void> {
    if (this.#isClosed) throw new ClosedError()
    this.#bar?.clear()
    const { stdout } = this.#io
    if (stdout.write(text)) return
    await once(stdout, 'drain').catch(() => {
      throw new ClosedError()
    })
  }
}

// JSON leaves some characters as they are that a terminal obeys.
function escaped(json: string): string {
  return json.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, index) => {
      const unit = character.charCodeAt(index).toString(16)
      return `\\u${unit.padStart(4, '0')}`
    }).join('')
  )
}

// `hasColors` obeys NO_COLOR, FORCE_COLOR and TERM.
function paint({ env }: Io, stream: Output, style: Style, text: string): string {
  const isColoured = stream.isTTY === true && stream.hasColors?.(env) === true
  return isColoured ? styleText(style, text, { validateStream: false }) : text
}
