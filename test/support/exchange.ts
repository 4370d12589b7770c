// One HTTP request over a connection that may stay open, and its answer in JSON.
import { type Agent, request } from 'node:http'

/** Milliseconds after which a request has hung. */
export const HANG = 10_000

export interface Response {
  status: number
  body: Record<string, unknown>
  header(name: string): string | undefined
  /** The lines of Set-Cookie. */
  cookies: string[]
}

/** Rejects if the connection breaks, with the code of the error, and with `'hang'` if no answer comes. */
export function exchange(
  agent: Agent,
  method: string,
  url: string,
  cookie: string | undefined
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const headers = cookie === undefined ? {} : { cookie }
    const sent = request(url, { method, agent, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part) => {
        text += part
      })
      response.on('error', fail)
      response.on('end', () => {
        clearTimeout(timer)
        resolve({
          status: response.statusCode ?? 0,
          body: JSON.parse(text),
          header: (name) => response.headers[name] as string | undefined,
          cookies: response.headers['set-cookie'] ?? []
        })
      })
    })
    const fail = (error: Error) => {
      clearTimeout(timer)
      reject(error)
    }
    const timer = setTimeout(() => sent.destroy(Object.assign(new Error('hang'), { code: 'hang' })), HANG)
    sent.on('error', fail)
    sent.end()
  })
}
