// The cookie: its name, its attributes, and which of their combinations are refused.
// RFC 6265bis, draft 20, sections 4.1.3 (prefixes) and 5.6; OWASP Session Management Cheat Sheet, "Cookies".
import { OptionError } from '../errors.js'

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
  /** Default `'lax'`. `'none'` with `secure: 'auto'`: `'lax'` on requests over plain http. */
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
  /** In production it must not be sent without Secure. */
  production: boolean
}

/** What the cookies of a session are for. The last two are companions of the first. */
export type Purpose = 'id' | 'next' | 'seen'

/** What follows the session cookie's name; a prefix such as `__Host-` thus stays first. */
const SUFFIXES: Readonly<Record<Purpose, string>> = { id: '', next: '-next', seen: '-seen' }
export const PURPOSES = Object.keys(SUFFIXES) as Purpose[]

const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/
const DOMAIN = /^\.?[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)*$/i
const PATH = /^\/[\x20-\x3a\x3d-\x7e]*$/
const RESPONSE_NAMES = ['secure', 'sameSite']
const IDENTITY_NAMES = ['domain', 'path', 'partitioned']
const NAMES = ['name', 'httpOnly', ...RESPONSE_NAMES, ...IDENTITY_NAMES]
/** What plugins pass to session.options() beside attributes: @fastify/csrf-protection the options of its token. */
const FOREIGN_NAMES = ['userInfo']

/**
 * The cookie with its defaults.
 * @param baseName The name without prefix, where the options give none.
 * @throws {OptionError} FST_SESSION_OPTION for what browsers reject or OWASP forbids, naming the option.
 */
export function resolveCookie(options: CookieOptions, baseName: string, production: boolean): Cookie {
  if (typeof options !== 'object' || options === null) throw new OptionError('cookie', 'must be an object')
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name)) refuseUnknown(name, NAMES)
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
    httpOnly: options.httpOnly ?? true,
    production
  })
}

/**
 * The name of one of the session's cookies. All of them have the attributes of the session cookie.
 */
export function nameFor(purpose: Purpose, name: string): string {
  return name + SUFFIXES[purpose]
}

/**
 * The cookie with the attributes that one response gives it; checked like the options.
 * @throws {OptionError} FST_SESSION_OPTION
 */
export function withAttributes(cookie: Cookie, attributes: ResponseCookie): Cookie {
  if (typeof attributes !== 'object' || attributes === null) {
    throw new OptionError('cookie', 'session.options() needs an object of attributes')
  }
  const own: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(attributes)) {
    if (RESPONSE_NAMES.includes(name)) own[name] = value
    else if (FOREIGN_NAMES.includes(name)) continue
    else if (!NAMES.includes(name)) refuseUnknown(name, RESPONSE_NAMES)
    else if (value !== cookie[name as keyof Cookie]) {
      refuse(name, 'cannot differ in one response: the browser would keep two cookies of one name')
    }
  }
  return checkCookie({ ...cookie, ...own })
}

/** The attributes of the cookie on a request over https, or over plain http. */
export function attributesOn(
  isHttps: boolean,
  cookie: Cookie
): Pick<Cookie, 'sameSite'> & { secure: boolean } {
  const secure = cookie.secure === 'auto' ? isHttps : cookie.secure
  return { secure, sameSite: cookie.sameSite === 'none' && !secure ? 'lax' : cookie.sameSite }
}

/**
 * The cookie that a browser keeps beside this one if `domain`, `path` or `partitioned` were set later; `undefined` if
 * there can be no such cookie.
 */
export function hostOnlyVariant({ domain, ...rest }: Cookie): Cookie | undefined {
  if (domain === undefined && rest.path === '/' && !rest.partitioned) return undefined
  return { ...rest, path: '/', partitioned: false }
}

function checkCookie(cookie: Cookie): Cookie {
  const { name, domain, path, secure, sameSite, partitioned, httpOnly, production } = cookie
  if (typeof name !== 'string' || !TOKEN.test(name)) refuse('name', 'must be a token of RFC 6265')
  if (domain !== undefined && (typeof domain !== 'string' || !DOMAIN.test(domain)))
    refuse('domain', 'must be a domain name')
  if (typeof path !== 'string' || !PATH.test(path))
    refuse('path', 'must begin with / and be free of ; and of control characters')
  if (secure !== true && secure !== false && secure !== 'auto')
    refuse('secure', "must be true, false or 'auto'")
  if (production && secure === false)
    refuse('secure', "must not be false in production: use 'auto' if some requests come over plain http")
  if (!['lax', 'strict', 'none'].includes(sameSite)) refuse('sameSite', "must be 'lax', 'strict' or 'none'")
  if (typeof partitioned !== 'boolean') refuse('partitioned', 'must be true or false')
  if (httpOnly !== true) refuse('httpOnly', 'must be true: no script needs to read a session id')
  if (sameSite === 'none' && secure === false)
    refuse('sameSite', "'none' needs secure: true or 'auto', browsers reject it otherwise")
  if (partitioned && secure !== true)
    refuse('partitioned', 'needs secure: true, browsers reject it otherwise')
  const prefixed = /^__(host|secure|http)-/i.exec(name)?.[1]?.toLowerCase()
  if (prefixed !== undefined && secure !== true) refuse('name', `${name} needs secure: true`)
  if (prefixed === 'host' && domain !== undefined) refuse('domain', `must not be set for ${name}`)
  if (prefixed === 'host' && path !== '/') refuse('path', `must be / for ${name}`)
  return cookie
}

function refuse(name: string, why: string): never {
  throw new OptionError(`cookie.${name}`, why)
}

function refuseUnknown(name: string, known: readonly string[]): never {
  if (name !== 'maxAge' && name !== 'expires') refuse(name, `is not one of ${known.join(', ')}`)
  refuse(name, 'follows from the lifetime of the session: set permanentLifetime and session.permanent')
}

/** Why browsers do not share a cookie over this domain, as far as that can be told without a list of public suffixes. */
export function whyUnusable(domain: string | undefined): string | undefined {
  if (domain === undefined) return undefined
  const labels = domain.replace(/^\./, '').split('.')
  if (/^\d+$/.test(labels.at(-1) ?? '')) return 'is an IP address'
  return labels.length === 1 ? 'has a single label' : undefined
}

/** Whether a browser sends a cookie with this path to this URL (RFC 6265, section 5.1.4). */
export function isOnPath(url: string, path: string): boolean {
  if (path === '/') return true
  const pathname = url.split(/[?#]/, 1)[0] as string
  if (!pathname.startsWith(path)) return false
  return pathname.length === path.length || path.endsWith('/') || pathname[path.length] === '/'
}

/** The values of a session's cookies in the order of the header, by purpose. */
type CookieValues = Record<Purpose, string[]>

/**
 * The values of the session cookie of this name, and of its companions, in a Cookie header; `undefined` if there are none.
 * A browser may hold several cookies of one name, of other domains and paths.
 */
export function findCookies(header: string | undefined, name: string): CookieValues | undefined {
  if (header === undefined) return undefined
  let found: CookieValues | undefined
  for (let at = header.indexOf(name); at >= 0; at = header.indexOf(name, at + name.length)) {
    if (!beginsPair(header, at)) continue
    const rest = at + name.length
    const purpose = PURPOSES.find((each) => header.startsWith(`${SUFFIXES[each]}=`, rest))
    if (purpose === undefined) continue
    found ??= { id: [], next: [], seen: [] }
    const end = header.indexOf(';', rest)
    const value = header.slice(rest + SUFFIXES[purpose].length + 1, end < 0 ? undefined : end).trim()
    // RFC 6265, section 4.1.1: a value may stand in double quotes.
    found[purpose].push(/^".*"$/.test(value) ? value.slice(1, -1) : value)
  }
  return found
}

function beginsPair(header: string, at: number): boolean {
  let before = at - 1
  while (header[before] === ' ' || header[before] === '\t') before--
  return before < 0 || header[before] === ';'
}
