// What the log says of cookies that browsers drop silently, so that the next request has no session.
import type { FastifyRequest } from 'fastify'
import { whyUnusable } from '../cookies/cookie.js'
import type { Log } from '../events.js'

let hasWarnedOfHttp = false
let hasWarnedOfDomain = false

export function warnOfPlainHttp({ headers, hostname, log, protocol }: FastifyRequest): void {
  if (hasWarnedOfHttp || protocol === 'https' || headers['x-forwarded-proto'] === 'https') return
  if (/^(?:(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/i.test(hostname)) return
  hasWarnedOfHttp = true
  log.warn(
    "a Secure session cookie was set over plain http, where browsers drop it: set cookie: { secure: 'auto' }, or " +
      'trustProxy in Fastify if a proxy ends TLS'
  )
}

/** @param domain The option `cookie.domain`. */
export function warnOfDomain(domain: string | undefined, log: Pick<Log, 'warn'>): void {
  const why = whyUnusable(domain)
  if (why === undefined) return
  log.warn({}, `cookie.domain ${domain} ${why}: browsers refuse cookies for it; leave cookie.domain out`)
}

/** @param domain What `cookie.domain` has returned for a request. */
export function warnOfReturnedDomain(domain: string | undefined, log: Pick<Log, 'warn'>): void {
  const why = whyUnusable(domain)
  if (hasWarnedOfDomain || why === undefined) return
  hasWarnedOfDomain = true
  log.warn(
    {},
    `cookie.domain has returned a domain that ${why}: browsers refuse cookies for it; return undefined instead`
  )
}
