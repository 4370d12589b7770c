// The session cookie: its name, its attributes, and the combinations that are refused.
// RFC 6265bis, draft 20, sections 4.1.3 (prefixes) and 5.6; OWASP Session Management Cheat Sheet, "Cookies".
import { OptionError } from '../errors.js'

/** Attributes of the session cookie. Its Max-Age follows from the lifetime of the session. */
export interface CookieAttributes<Request = never> {
  /**
   * The name of the cookie. Prefixes such as `__Host-` need `secure: true`. `__Host-` also needs the default `domain`
   * and `path`.
   * @default `__Host-` and the decorator's name if the other attributes allow the prefix, else the decorator's name
   */
  name?: string
  /**
   * The domain that receives the cookie, with its subdomains; or a function of the request that returns it. The function is
   * called at most once for a request, and only if its response sets or clears a cookie.
   * @default only the host that set the cookie
   * @example ({ hostname }) => domains.get(hostname)
   */
  domain?: string | ((request: Request) => string | undefined)
  /**
   * The path below which requests have a session.
   * @default '/'
   */
  path?: string
  /**
   * Whether browsers send the cookie only over https. `'auto'` decides by the protocol of the request; behind a proxy
   * this needs Fastify's `trustProxy`. Must not be false in production.
   * @default true
   */
  secure?: boolean | 'auto'
  /**
   * Whether browsers send the cookie with cross-site requests. With `secure: 'auto'`, `'none'` becomes `'lax'` on
   * requests over plain http.
   * @default 'lax'
   */
  sameSite?: 'lax' | 'strict' | 'none'
  /**
   * Whether browsers keep a separate cookie for each top-level site (CHIPS). Needs `secure: true`.
   * @default false
   */
  partitioned?: boolean
  /**
   * Which cookies browsers drop first if they hold too many of one site: those of low priority. Not all browsers know it.
   * @default no priority is sent, which browsers take for 'medium'
   */
  priority?: 'low' | 'medium' | 'high'
  /** Always true, because a script that can read the cookie can steal the session. */
  httpOnly?: true
}

/** The attributes that one response may override. With another domain or path it would set a second cookie. */
export type ResponseCookie = Pick<CookieAttributes, 'secure' | 'sameSite'>

/** The attributes, complete and checked. */
export interface Cookie {
  name: string
  domain?: string
  /** Tells the domain of a request. `withDomain()` puts it in place of this. */
  domainBy?: DomainBy
  path: string
  secure: boolean | 'auto'
  sameSite: 'lax' | 'strict' | 'none'
  partitioned: boolean
  priority?: 'low' | 'medium' | 'high'
  httpOnly: true
  /** A response header of this name, in the place of a cookie. Its attributes have no effect. */
  isHeader?: true
  /** In production, the cookie must not be sent without Secure. */
  production: boolean
}

/** The option `cookie.domain` as a function. Only the plugin knows what a request is. */
export type DomainBy = (request: never) => unknown

/** The cookies of a session: its id; the new id after `regenerate()`; the last commit that the browser has seen. */
export type Purpose = 'id' | 'next' | 'seen'

/** Appended to the name of the session cookie, so that a prefix such as `__Host-` stays first. */
const SUFFIXES: Readonly<Record<Purpose, string>> = { id: '', next: '-next', seen: '-seen' }
export const PURPOSES = Object.keys(SUFFIXES) as Purpose[]

const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/
const DOMAIN = /^\.?[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)*$/i
const PATH = /^\/[\x20-\x3a\x3d-\x7e]*$/
const RESPONSE_NAMES = ['secure', 'sameSite']
const IDENTITY_NAMES = ['name', 'domain', 'path', 'partitioned']
const NAMES = [...IDENTITY_NAMES, ...RESPONSE_NAMES, 'priority', 'httpOnly']
/** Other names that plugins pass to session.options(): @fastify/csrf-protection passes the options of its token. */
const FOREIGN_NAMES = ['userInfo']

/**
 * Completes the attributes with their defaults.
 * @param baseName The default name, without prefix.
 * @throws {OptionError} FST_SESSION_OPTION for attributes that browsers reject or OWASP forbids
 */
export function resolveCookie(
  options: CookieAttributes<never>,
  baseName: string,
  production: boolean
): Cookie {
  if (typeof options !== 'object' || options === null) throw new OptionError('cookie', 'must be an object')
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name)) refuseUnknown(name, NAMES)
  }
  const { path = '/', secure = true, domain, priority } = options
  const hostOnly = domain === undefined && path === '/' && secure === true
  return checkCookie({
    name: options.name ?? (hostOnly ? `__Host-${baseName}` : baseName),
    ...(domain === undefined ? {} : typeof domain === 'function' ? { domainBy: domain } : { domain }),
    path,
    secure,
    sameSite: options.sameSite ?? 'lax',
    partitioned: options.partitioned ?? false,
    ...(priority === undefined ? {} : { priority }),
    httpOnly: options.httpOnly ?? true,
    production
  })
}

/**
 * The cookie with the domain of one request, checked like the option.
 * @throws {OptionError} FST_SESSION_OPTION
 */
export function withDomain({ domainBy: _, ...cookie }: Cookie, domain: unknown): Cookie {
  return domain === undefined ? cookie : checkCookie({ ...cookie, domain: domain as string })
}

/** The name of one of the session's cookies. They all have the same attributes. */
export function nameFor(purpose: Purpose, name: string): string {
  return name + SUFFIXES[purpose]
}

/**
 * The cookie with the overrides of one response, checked like the options.
 * @throws {OptionError} FST_SESSION_OPTION
 */
export function withAttributes(cookie: Cookie, attributes: ResponseCookie): Cookie {
  if (typeof attributes !== 'object' || attributes === null) {
    throw new OptionError('cookie', "session.options() needs an object such as { sameSite: 'strict' }")
  }
  const own: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(attributes)) {
    if (RESPONSE_NAMES.includes(name)) own[name] = value
    else if (FOREIGN_NAMES.includes(name)) continue
    else if (!NAMES.includes(name)) refuseUnknown(name, RESPONSE_NAMES)
    else if (value !== cookie[name as keyof Cookie]) {
      const why = IDENTITY_NAMES.includes(name) ? ', since browsers would keep two cookies' : ''
      refuse(name, `cannot differ in one response${why}: set the option`)
    }
  }
  return checkCookie({ ...cookie, ...own })
}

/** The attributes of the cookie in the response to a request over https or plain http. */
export function attributesOn(
  isHttps: boolean,
  cookie: Cookie
): Pick<Cookie, 'sameSite'> & { secure: boolean } {
  const secure = cookie.secure === 'auto' ? isHttps : cookie.secure
  return { secure, sameSite: cookie.sameSite === 'none' && !secure ? 'lax' : cookie.sameSite }
}

/**
 * The cookie that a browser may still hold from before `domain`, `path` or `partitioned` were set; `undefined` if they
 * are not.
 */
export function hostOnlyVariant({ domain, ...rest }: Cookie): Cookie | undefined {
  if (domain === undefined && rest.path === '/' && !rest.partitioned) return undefined
  return { ...rest, path: '/', partitioned: false }
}

function checkCookie(cookie: Cookie): Cookie {
  const { name, domain, domainBy, path, secure, sameSite, partitioned, priority, httpOnly, production } =
    cookie
  if (typeof name !== 'string' || !TOKEN.test(name))
    refuse('name', 'must be a token (RFC 6265): use letters, digits, - and _')
  if (domain !== undefined && (typeof domain !== 'string' || !DOMAIN.test(domain)))
    refuse('domain', 'must be a domain name')
  if (typeof path !== 'string' || !PATH.test(path))
    refuse('path', 'must begin with / and contain only ASCII characters, without ; and <')
  if (secure !== true && secure !== false && secure !== 'auto')
    refuse('secure', "must be true, false or 'auto'")
  if (production && secure === false)
    refuse('secure', "must not be false in production: use 'auto' if some requests use plain http")
  if (!['lax', 'strict', 'none'].includes(sameSite)) refuse('sameSite', "must be 'lax', 'strict' or 'none'")
  if (typeof partitioned !== 'boolean') refuse('partitioned', 'must be true or false')
  if (priority !== undefined && !['low', 'medium', 'high'].includes(priority))
    refuse('priority', "must be 'low', 'medium' or 'high'")
  if (httpOnly !== true)
    refuse('httpOnly', 'must be true: leave it out, since no script needs to read a session id')
  if (sameSite === 'none' && secure === false)
    refuse('sameSite', "'none' needs secure: true or 'auto': browsers reject it otherwise")
  if (partitioned && secure !== true)
    refuse('partitioned', 'needs secure: true: browsers reject it otherwise')
  const prefixed = /^__(host|secure|http)-/i.exec(name)?.[1]?.toLowerCase()
  if (prefixed !== undefined && secure !== true) refuse('name', `${name} needs secure: true`)
  if (prefixed === 'host' && (domain ?? domainBy) !== undefined)
    refuse('domain', `must not be set for ${name}`)
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

/** Why browsers reject a cookie for this domain. Does not know the list of public suffixes. */
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

/** The values of a session's cookies, or of the headers in their place, in the order of the request. */
export type CookieValues = Readonly<Record<Purpose, readonly string[]>>

/** In the place of a new list, since most requests have one of these cookies. Never filled. */
const NONE: string[] = []

/**
 * Finds the session's cookies in a Cookie header; `undefined` if there are none. A browser may hold several cookies
 * with one name, for other domains and paths.
 */
export function findCookies(header: string | undefined, name: string): CookieValues | undefined {
  if (header === undefined) return undefined
  let found: Record<Purpose, string[]> | undefined
  for (let at = header.indexOf(name); at >= 0; at = header.indexOf(name, at + name.length)) {
    if (!beginsPair(header, at)) continue
    const rest = at + name.length
    const purpose = header[rest] === '=' ? 'id' : purposeAt(header, rest)
    if (purpose === undefined) continue
    found ??= { id: NONE, next: NONE, seen: NONE }
    const end = header.indexOf(';', rest)
    const value = header.slice(rest + SUFFIXES[purpose].length + 1, end < 0 ? undefined : end).trim()
    // RFC 6265, section 4.1.1: a value may be in double quotes.
    const unquoted = value[0] === '"' && /^".*"$/.test(value) ? value.slice(1, -1) : value
    if (found[purpose] === NONE) found[purpose] = [unquoted]
    else found[purpose].push(unquoted)
  }
  return found
}

function purposeAt(header: string, at: number): Purpose | undefined {
  return PURPOSES.find((each) => header.startsWith(`${SUFFIXES[each]}=`, at))
}

function beginsPair(header: string, at: number): boolean {
  let before = at - 1
  while (before >= 0 && (header[before] === ' ' || header[before] === '\t')) before--
  return before < 0 || header[before] === ';'
}
