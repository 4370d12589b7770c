// The options that the adopters of this package share, and their checks. Errors name adopter and option.
import type { Secret } from '../cookies/session-id.js'
import { OptionError } from '../errors.js'
import type { RedisClient } from '../stores/redis.js'
import type { Adopter } from './adopter.js'

/** Options of every adopter of this package. */
export interface AdopterOptions {
  /** The secret of the old application, or a list of them. */
  secret: Secret | readonly Secret[]
  /** The beginning of the old keys. */
  prefix?: string
  /** The name of the old cookie. */
  cookieName?: string
  /**
   * The domain of the old cookie.
   * @default only the host that set it
   */
  cookieDomain?: string
  /**
   * The path of the old cookie.
   * @default '/'
   */
  cookiePath?: string
  /**
   * The Redis that holds the old records.
   * @default the client of the plugin
   */
  redis?: RedisClient
  /**
   * Seconds for which an adopted session stays known to the old application, unless that extends it.
   * @default 86_400 (a day)
   */
  keepOld?: number
}

/** The options, complete: secrets, and the parts of an adopter that follow from options alone. */
interface Resolved {
  secrets: readonly Secret[]
  prefix: string
  cookieName: string
  base: Pick<Adopter, 'name' | 'cookie' | 'keyOf' | 'redis' | 'keepOld'>
}

const TEXTS: readonly string[] = ['prefix', 'cookieName', 'cookieDomain', 'cookiePath']
const NAMES = [...TEXTS, 'secret', 'redis', 'keepOld']

/**
 * @param further Names of options that only this adopter has.
 * @throws {OptionError} FST_SESSION_OPTION
 */
export function resolve(
  name: string,
  options: Partial<AdopterOptions>,
  defaults: { prefix: string; cookieName: string; also?: (cookieName: string) => readonly string[] },
  further: readonly string[] = []
): Resolved {
  if (typeof options !== 'object' || options === null) refuse(name, 'needs an object of options')
  const known = [...NAMES, ...further]
  for (const [option, value] of Object.entries(options)) {
    if (!known.includes(option)) refuse(`${name}.${option}`, `is not one of ${known.join(', ')}`)
    const isText = TEXTS.includes(option) || option === 'cookiePrefix'
    if (isText && value !== undefined && typeof value !== 'string')
      refuse(`${name}.${option}`, 'must be a string')
  }
  const { prefix = defaults.prefix, cookieName = defaults.cookieName, cookieDomain, cookiePath } = options
  const { redis, keepOld } = options
  return {
    secrets: secretsOf(name, options.secret),
    prefix,
    cookieName,
    base: {
      name,
      cookie: {
        name: cookieName,
        ...(defaults.also && { also: defaults.also(cookieName) }),
        ...(cookieDomain !== undefined && { domain: cookieDomain }),
        ...(cookiePath !== undefined && { path: cookiePath })
      },
      keyOf: (id) => prefix + id,
      ...(redis !== undefined && { redis }),
      ...(keepOld !== undefined && { keepOld })
    }
  }
}

// Their secrets may be shorter than ours. An empty one is a variable that is not set.
function secretsOf(name: string, value: AdopterOptions['secret'] | undefined): readonly Secret[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  const isUsable = (secret: unknown): secret is Secret =>
    (typeof secret === 'string' || secret instanceof Uint8Array) && secret.length > 0
  if (list.length > 0 && list.every(isUsable)) return list
  return refuse(`${name}.secret`, 'must be the secret of the old application, or a list of them')
}

function refuse(option: string, why: string): never {
  throw new OptionError(`adopt.${option}`, why)
}
