// The cookie: its name, its attributes, and which of their combinations are refused.
// RFC 6265bis, draft 20, sections 4.1.3 (prefixes) and 5.6; OWASP Session Management Cheat Sheet, "Cookies".
import { OptionError } from './errors.js'

/** Attributes of the session cookie. It has no Max-Age of its own: that follows from the lifetime of the session. */
export interface CookieOptions {
  /** Default: `__Host-` and the decorator's name where the attributes allow the prefix, else the decorator's name. */
  name?: string
  /** Default: only the host that set it. */
  domain?: string
  /** Default `/`. */
  path?: string
  /** `'auto'`: on requests over https (`trustProxy` behind a proxy). Default true. */
  secure?: boolean | 'auto'
  /** Default `'lax'`. */
  sameSite?: 'lax' | 'strict' | 'none'
  /** A separate cookie for each top-level site (CHIPS). Default false. */
  partitioned?: boolean
  /** Always true: a script that could read the cookie could take the session. */
  httpOnly?: true
}

/** The attributes that one response may change; any other would make it a second cookie beside the first. */
export type ResponseCookie = Pick<CookieOptions, 'secure' | 'sameSite'>

/** Complete and checked. */
export interface Cookie {
  name: string
  domain?: string
  path: string
  secure: boolean | 'auto'
  sameSite: 'lax' | 'strict' | 'none'
  partitioned: boolean
  httpOnly: true
}

const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/
const DOMAIN = /^\.?[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)*$/i
const PATH = /^\/[\x20-\x3a\x3d-\x7e]*$/
const RESPONSE_NAMES = ['secure', 'sameSite']
const IDENTITY_NAMES = ['domain', 'path', 'partitioned']
const NAMES = ['name', 'httpOnly', ...RESPONSE_NAMES, ...IDENTITY_NAMES]

/**
 * The cookie with its defaults.
 * @param baseName The name without prefix, where the options give none.
 * @throws {OptionError} FST_SESSION_OPTION for what browsers reject or OWASP forbids, naming the option.
 */
export function resolveCookie(options: CookieOptions, baseName: string, production: boolean): Cookie {
  if (typeof options !== 'object' || options === null) throw new OptionError('cookie', 'must be an object')
  for (const name of Object.keys(options)) {
    if (name === 'maxAge' || name === 'expires') {
      refuse(name, 'follows from the lifetime of the session: set permanentLifetime and session.permanent')
    }
    if (!NAMES.includes(name)) refuse(name, `is not one of ${NAMES.join(', ')}`)
  }
  if (production && options.secure === false) {
    refuse('secure', "must not be false in production: use 'auto' if some requests come over plain http")
  }
  const { path = '/', secure = true, domain } = options
  const hostOnly = domain === undefined && path === '/' && secure === true
  return checkCookie({
    name: options.name ?? (hostOnly ? `__Host-${baseName}` : baseName),
    ...(domain === undefined ? {} : { domain }),
    path,
    secure,
    sameSite: options.sameSite ?? 'lax',
    partitioned: options.partitioned ?? false,
    httpOnly: options.httpOnly ?? true
  })
}

/**
 * The cookie with the attributes that one response gives it; checked like the options. What is no attribute is left
 * alone: plugins pass their own options along.
 */
export function withAttributes(cookie: Cookie, attributes: ResponseCookie): Cookie {
  const given = Object.entries(attributes)
  const own = { ...cookie, ...Object.fromEntries(given.filter(([name]) => RESPONSE_NAMES.includes(name))) }
  for (const [name, value] of given) {
    if (IDENTITY_NAMES.includes(name) && value !== cookie[name as 'path']) {
      refuse(name, 'cannot differ in one response: the browser would keep two cookies of one name')
    }
  }
  return checkCookie(own)
}

function checkCookie(cookie: Cookie): Cookie {
  const { name, domain, path, secure, sameSite, partitioned, httpOnly } = cookie
  if (typeof name !== 'string' || !TOKEN.test(name)) refuse('name', 'must be a token of RFC 6265')
  if (domain !== undefined && (typeof domain !== 'string' || !DOMAIN.test(domain)))
    refuse('domain', 'must be a domain name')
  if (typeof path !== 'string' || !PATH.test(path))
    refuse('path', 'must begin with / and be free of ; and of control characters')
  if (secure !== true && secure !== false && secure !== 'auto')
    refuse('secure', "must be true, false or 'auto'")
  if (!['lax', 'strict', 'none'].includes(sameSite)) refuse('sameSite', "must be 'lax', 'strict' or 'none'")
  if (typeof partitioned !== 'boolean') refuse('partitioned', 'must be true or false')
  if (httpOnly !== true) refuse('httpOnly', 'must be true: no script needs to read a session id')
  if (sameSite === 'none' && secure !== true)
    refuse('sameSite', "'none' needs secure: true, browsers reject it otherwise")
  if (partitioned && secure !== true)
    refuse('partitioned', 'needs secure: true, browsers reject it otherwise')
  const prefixed = /^__(host|secure)-/i.exec(name)?.[1]?.toLowerCase()
  if (prefixed !== undefined && secure !== true) refuse('name', `${name} needs secure: true`)
  if (prefixed === 'host' && domain !== undefined) refuse('domain', `must not be set for ${name}`)
  if (prefixed === 'host' && path !== '/') refuse('path', `must be / for ${name}`)
  return cookie
}

function refuse(name: string, why: string): never {
  throw new OptionError(`cookie.${name}`, why)
}

/**
 * The value of the cookie of this name in a Cookie header. `undefined` where there is none, and where there are
 * several: one of them was planted by another host or path, and nobody can tell which.
 */
export function findCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined
  const assignment = `${name}=`
  let value: string | undefined
  for (
    let at = header.indexOf(assignment);
    at >= 0;
    at = header.indexOf(assignment, at + assignment.length)
  ) {
    if (!beginsPair(header, at)) continue
    if (value !== undefined) return undefined
    const end = header.indexOf(';', at)
    value = header.slice(at + assignment.length, end < 0 ? undefined : end).trim()
  }
  return value
}

function beginsPair(header: string, at: number): boolean {
  let before = at - 1
  while (header[before] === ' ' || header[before] === '\t') before--
  return before < 0 || header[before] === ';'
}
