// One adopter of a registration, checked against the options of the plugin.
import { nameFor, PURPOSES } from '../cookies/cookie.js'
import { OptionError } from '../errors.js'
import type { Settings } from '../plugin/options.js'
import type { RedisClient } from '../stores/redis.js'
import type { Adopter } from './adopter.js'
import { OLD_CLIENT_METHODS, OldRedis } from './old-redis.js'

export interface Library {
  adopter: Adopter
  redis: OldRedis
  /** Seconds. */
  keepOld: number
  /** Maximum size of an old record. */
  maxBytes: number
}

const DAY = 86_400
/** Browsers keep no cookie longer, so no session of theirs either. */
const MAX_KEEP = 400 * DAY
const METHODS = ['verify', 'keyOf', 'decode'] as const

/** @throws {OptionError} FST_SESSION_OPTION */
export function openLibrary(
  adopter: Adopter,
  { cookie, maxRecordBytes, prefix }: Settings,
  client: RedisClient | undefined
): Library {
  for (const method of METHODS) {
    if (typeof adopter?.[method] !== 'function') refuse('adopt', `each adopter needs a method ${method}()`)
  }
  if (typeof adopter.name !== 'string' || typeof adopter.cookie?.name !== 'string')
    refuse('adopt', 'each adopter needs a name and cookie: { name }')
  const option = `adopt.${adopter.name}`
  if (PURPOSES.some((purpose) => nameFor(purpose, cookie.name) === adopter.cookie.name))
    refuse(
      option,
      `its cookie ${adopter.cookie.name} has the name of ours: set cookie: { name } of the plugin`
    )
  // A cookie without a signature could otherwise name any session of ours.
  if (adopter.keyOf('').startsWith(prefix))
    refuse(option, `its keys begin with ${prefix} like ours: set the option prefix of the plugin`)
  const { keepOld = DAY } = adopter
  if (!Number.isInteger(keepOld) || keepOld < 1 || keepOld > MAX_KEEP)
    refuse(`${option}.keepOld`, `must be a whole number of seconds from 1 to ${MAX_KEEP}`)
  const redis = checkClient(option, adopter.redis ?? client)
  return { adopter, redis: new OldRedis(redis), keepOld, maxBytes: maxRecordBytes }
}

function checkClient(option: string, client: RedisClient | undefined): RedisClient {
  if (client === undefined) refuse(option, 'needs a client: pass it the option redis')
  for (const method of OLD_CLIENT_METHODS) {
    if (typeof client[method as keyof RedisClient] !== 'function')
      refuse(`${option}.redis`, `has no ${method}(): use a client of ioredis or iovalkey`)
  }
  return client
}

function refuse(option: string, why: string): never {
  throw new OptionError(option, why)
}
