// Checks the option `transport`, and opens what it asks for.
import { OptionError } from '../errors.js'
import { onlyMembers } from '../members.js'
import { HeaderTransport, type HeaderTransportOptions } from './header.js'

/** Where the id of a session travels: in the session cookie, or in a header. */
export type Transport = 'cookie' | HeaderTransportOptions

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/
const NAMES = ['header', 'responseHeader']
/** Headers that servers, proxies and browsers give another meaning. */
const RESERVED = new Set(
  (
    'accept cache-control connection content-length content-type cookie date expect host keep-alive origin ' +
    'proxy-authenticate proxy-authorization referer server set-cookie te trailer transfer-encoding upgrade ' +
    'user-agent vary via www-authenticate'
  ).split(' ')
)

/** @throws {OptionError} FST_SESSION_OPTION */
export function openTransport(
  option: Transport | readonly Transport[],
  production: boolean
): HeaderTransport | undefined {
  const list: readonly Transport[] = Array.isArray(option) ? option : [option]
  const headers = list.filter((each) => each !== 'cookie').map(checkHeader)
  const cookies = list.length - headers.length
  if (list.length === 0 || headers.length > 1 || cookies > 1)
    throw new OptionError('transport', "must be 'cookie', one header, or a list of both")
  const [header] = headers
  return header && new HeaderTransport(header, cookies === 0, production)
}

function checkHeader(option: HeaderTransportOptions): Required<HeaderTransportOptions> {
  if (typeof option !== 'object' || option === null)
    throw new OptionError('transport', "must be 'cookie', { header: 'x-session' } or a list of both")
  onlyMembers('transport', option, NAMES)
  const header = nameOf('header', option.header)
  const isBearer = header === 'authorization'
  const responseHeader = nameOf('responseHeader', option.responseHeader ?? (isBearer ? 'x-session' : header))
  if (responseHeader === 'authorization')
    throw new OptionError('transport.responseHeader', 'must not be authorization, which is for requests')
  return { header, responseHeader }
}

function nameOf(option: string, value: unknown): string {
  if (typeof value !== 'string' || !TOKEN.test(value))
    throw new OptionError(`transport.${option}`, "must be the name of a header, such as 'x-session'")
  const name = value.toLowerCase()
  if (RESERVED.has(name))
    throw new OptionError(`transport.${option}`, `${name} has another meaning: use one such as x-session`)
  return name
}
