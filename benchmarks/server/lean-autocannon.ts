// autocannon with as little work per request as the checks of the answers allow. Otherwise it takes more CPU than the
// servers, which then wait for it.
import autocannon from 'autocannon'

/** The conversation on one connection. */
export interface Connection {
  /** The next request, as it is sent. */
  request(): string
  /** Looks at the answer to it. @param head The status line and the header. */
  answer(status: number, head: string, body: string): void
  /** Whether the answer is the last one that this connection waits for. */
  isOver(): boolean
}

/** What went wrong. */
export interface Fired {
  /** Connections that were refused or broken. */
  broken: number
  timeouts: number
}

/** Seconds to wait for an answer: a pause of the machine is no error. */
const TIMEOUT = 50

/** Talks to a port of loopback over parallel connections. @param amount The number of requests at most. */
export async function fire(
  port: number,
  connections: number,
  amount: number,
  connect: () => Connection
): Promise<Fired> {
  const { errors, timeouts } = await autocannon({
    url: `http://127.0.0.1:${port}`,
    connections,
    amount,
    timeout: TIMEOUT,
    // Milliseconds between two checks whether all requests were answered.
    sampleInt: 10,
    setupClient: (client) => replaceParts(client as unknown as Parts, connect())
  })
  // autocannon counts timeouts as errors, too.
  return { broken: errors - timeouts, timeouts }
}

/** The parts of autocannon's client that this replaces; package-lock.json names the version. */
interface Parts {
  parser: ParserOfAutocannon
  getRequestBuffer(): string
  /** The number of requests after which the client ends, and that of those sent. */
  responseMax: number
  reqsMade: number
}

/** The client assigns a function to each of the numbers that the constructor names. */
type ParserOfAutocannon = { execute(chunk: Buffer): void } & Record<number, (value?: unknown) => void>

interface Events {
  kOnHeadersComplete: number
  kOnMessageComplete: number
}

function replaceParts(client: Parts, connection: Connection): void {
  const { kOnHeadersComplete, kOnMessageComplete } = client.parser.constructor as unknown as Events
  let text = ''
  const parser: ParserOfAutocannon = {
    execute(chunk) {
      text += chunk.toString('latin1')
      const end = text.indexOf(END)
      if (end < 0) return
      const body = text.slice(end + END.length)
      const length = LENGTH.exec(text)?.[1]
      if (length === undefined) throw new Error(`the answer has no Content-Length: ${text}`)
      if (body.length < Number(length)) return
      const status = Number(text.slice(STATUS, STATUS + 3))
      connection.answer(status, text.slice(0, end), body)
      text = ''
      if (connection.isOver()) client.responseMax = client.reqsMade
      this[kOnHeadersComplete]?.({ statusCode: status, headers: [] })
      this[kOnMessageComplete]?.()
    }
  }
  client.parser = parser
  client.getRequestBuffer = () => connection.request()
}

const END = '\r\n\r\n'
const LENGTH = /\r\ncontent-length: (\d+)/i
/** Where the status begins, after `HTTP/1.1 `. */
const STATUS = 9
