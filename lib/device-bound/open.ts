// The entry of this folder, which is loaded only if an application sets the option `deviceBound`: checks the option.
import type { Cookie } from '../cookies/cookie.js'
import type { Secret } from '../cookies/session-id.js'
import { OptionError } from '../errors.js'
import { onlyMembers } from '../members.js'
import { BoundDevices } from './devices.js'
import { Tokens } from './tokens.js'

export interface DeviceBoundOptions {
  /**
   * The path below which browsers register their keys and prove that they have them: `register` and `refresh`.
   * @default '/.session/bound', with the name of the decorator
   */
  path?: string
  /**
   * Seconds after which a browser must prove again that it has the key.
   * @default 600
   */
  lifetime?: number
  /**
   * Seconds after a login for which a browser may register its key, and after that for which requests may still come
   * without a proof.
   * @default 30
   */
  registrationTimeout?: number
  /**
   * Seconds for which a browser that says that it could not prove itself is served after its last proof has expired.
   * @default 600
   */
  skipTimeout?: number
  /**
   * What a request gets that does not come from the device of its session: a 401 (`'error'`), or a session that is
   * empty and new. A route can override it: `config: { session: { bound } }`.
   * @default 'error'
   */
  onMissing?: 'error' | 'anonymous'
}

interface Registration {
  cookie: Cookie
  decorator: string
  secrets: readonly Secret[]
  /** Whether sessions never use cookies. */
  isWithoutCookies: boolean
  /** Where the routes are. */
  routePrefix: string
}

const NAMES = ['path', 'lifetime', 'registrationTimeout', 'skipTimeout', 'onMissing']
const PATH = /^(?:\/[\w.~-]+)+$/
const MAX_SECONDS = 86_400
const PREFIX = '__Host-'

/** @throws {OptionError} FST_SESSION_OPTION */
export function openDevices(
  option: true | DeviceBoundOptions,
  { cookie, decorator, isWithoutCookies, routePrefix, secrets }: Registration
): BoundDevices {
  if (option !== true && (typeof option !== 'object' || option === null))
    throw new OptionError('deviceBound', 'must be true, false or an object')
  const given = option === true ? {} : option
  onlyMembers('deviceBound', given, NAMES)
  if (secrets.length === 0)
    throw new OptionError('deviceBound', 'needs the option secret: it signs the proofs')
  if (isWithoutCookies)
    throw new OptionError(
      'deviceBound',
      "needs cookies, which browsers bind: add 'cookie' to the option transport"
    )
  const { domain, domainBy, name, partitioned, path: cookiePath, secure } = cookie
  const isHostOnly = (domain ?? domainBy) === undefined && cookiePath === '/' && !partitioned
  if (secure !== true || !isHostOnly)
    throw new OptionError(
      'deviceBound',
      'needs a cookie of one host over https: leave out cookie.domain, cookie.path, cookie.partitioned and cookie.secure'
    )
  const { path = `/.${decorator}/bound`, onMissing = 'error' } = given
  if (typeof path !== 'string' || !PATH.test(path))
    throw new OptionError(
      'deviceBound.path',
      'must begin with /, and must not end with it: use one such as /.bound'
    )
  if (onMissing !== 'error' && onMissing !== 'anonymous')
    throw new OptionError('deviceBound.onMissing', 'must be one of error, anonymous')
  const base = `${name.startsWith(PREFIX) ? '' : PREFIX}${name}-bound`
  return new BoundDevices(new Tokens(name, secrets), {
    path: { register: `${path}/register`, refresh: `${path}/refresh` },
    routePrefix,
    onMissing,
    lifetime: seconds('lifetime', given.lifetime ?? 600, 1),
    registrationTimeout: seconds('registrationTimeout', given.registrationTimeout ?? 30, 1),
    skipTimeout: seconds('skipTimeout', given.skipTimeout ?? 600, 0),
    cookie: { ...cookie, name: base },
    lastCookie: { ...cookie, name: `${base}-last` }
  })
}

function seconds(name: string, value: number, min: number): number {
  if (!Number.isInteger(value) || value < min || value > MAX_SECONDS)
    throw new OptionError(`deviceBound.${name}`, `must be a whole number from ${min} to ${MAX_SECONDS}`)
  return value
}
