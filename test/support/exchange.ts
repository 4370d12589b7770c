// One HTTP request over a connection that may stay open, and its JSON response.
import { type Agent, request } from 'node:http'

/** Milliseconds after which a request counts as hanging. */
export const HANG = 10_000

export interface Response {
  status: number
  body: Record<string, unknown>
  header(name: string): string | undefined
  /** The Set-Cookie lines. */
  cookies: string[]
}

/** Rejects with the error code if the connection breaks, and with `'hang'` if no response comes. */
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
