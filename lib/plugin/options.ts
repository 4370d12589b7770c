// The options: their meaning, their defaults, and their checks at start-up. Errors name the option.
import type { FastifyRequest } from 'fastify'
import type { RedisOptions } from 'ioredis'
import { type SerializerName, serializers } from '../../serializers/index.js'
import { OWN_TAGS, type Serializer } from '../../serializers/serializer.js'
import type { Adopter } from '../adopt/adopter.js'
import { type Cookie, type CookieAttributes, resolveCookie } from '../cookies/cookie.js'
import type { Secret } from '../cookies/session-id.js'
import { keyName } from '../data/key-names.js'
import type { MergeRules } from '../data/merge.js'
import type { DeviceBoundOptions } from '../device-bound/open.js'
import type { EncryptionOptions } from '../encryption/open.js'
import { OptionError } from '../errors.js'
import { onlyMembers } from '../members.js'
import type { NearCacheLimits } from '../near-cache/near-cache.js'
import { type Lifetimes, MAX_COOKIE_AGE } from '../records/expiry.js'
import type { ReplayAction } from '../replay/replays.js'
import type { SchemaOptions } from '../schema/schema.js'
import { foreignOptions } from '../session/foreign-names.js'
import type { SessionData } from '../session/session.js'
import type { CircuitBreaker } from '../stores/health.js'
import { CLIENT_METHODS, type RedisClient } from '../stores/redis.js'
import type { Store } from '../stores/store.js'
import type { Transport } from '../transport/open.js'
import type { UserOption } from '../users/identity.js'
import type { MaxPerUser } from '../users/users.js'

/** Attributes of the session cookie. Its Max-Age follows from the lifetime of the session. */
export type CookieOptions = CookieAttributes<FastifyRequest>

/**
 * The options of the plugin. Durations are in seconds, unless the option says milliseconds.
 *
 * @example
 * await app.register(redisSession, { redis: 'redis://localhost:6379', secret, serializer: 'msgpack' })
 */
export interface RedisSessionOptions {
  /**
   * An ioredis client (`Redis` or `Cluster`), a URL, or ioredis options. The plugin neither configures nor closes a
   * client of yours.
   * @default 'redis://localhost:6379'
   */
  redis?: RedisClient | string | RedisOptions
  /** A store to use instead of Redis, such as `new MemoryStore()`. Leave out `redis` then. */
  store?: Store
  /**
   * The prefix of every key in the store. The plugin ignores one that begins with `/`: it is a route prefix, which
   * Fastify and @fastify/autoload pass to every plugin.
   * @default The decorator's name and a colon: 'session:'
   */
  prefix?: string
  /**
   * Writes new records: `'json'`, `'superjson'`, `'msgpack'`, or a serializer of your own.
   * @default 'json'
   */
  serializer?: SerializerName | Serializer
  /**
   * Further serializers of your own whose records are read, such as the previous one.
   * @default []
   */
  readSerializers?: readonly Serializer[]
  /**
   * Signs the session ids, so that forged cookies cost no Redis command. At least 32 characters or bytes. To rotate
   * secrets, pass a list, newest first.
   * @default The ids are not signed.
   */
  secret?: Secret | readonly Secret[]
  /** Attributes of the session cookie. */
  cookie?: CookieOptions
  /**
   * Where the id of a session travels: in the session cookie, in a header, or in either (a list of both).
   * @default 'cookie'
   * @example ['cookie', { header: 'x-session' }]
   */
  transport?: Transport | readonly Transport[]
  /**
   * Idle timeout in seconds: how long a session may stay unused, by the clock of the store.
   * @default 86_400 (a day)
   */
  idleTimeout?: number
  /**
   * Idle timeout of a permanent session, in seconds, and the Max-Age of its cookie. At most 400 days.
   * @default 2_678_400 (31 days)
   */
  permanentLifetime?: number
  /**
   * Maximum lifetime in seconds, counted from creation. A new id does not reset it, unless `regenerate()` keeps no
   * data.
   * @default No maximum.
   */
  absoluteTimeout?: number
  /**
   * Minimum time between two extensions, in seconds. A session may thus expire up to `touchAfter` seconds early.
   * @default 60, or a tenth of the idle timeout if that is less
   */
  touchAfter?: number
  /**
   * Whether use extends a permanent session, both record and cookie.
   * @default true
   */
  rolling?: boolean
  /**
   * Maximum size of a record, in bytes. What one request may cost grows with it.
   * @default 65_536
   */
  maxRecordBytes?: number
  /**
   * Whether a request that ends with status 500 or above still commits its session.
   * @default false
   */
  saveOn5xx?: boolean
  /**
   * Total time that one request may wait for the store, in milliseconds, whatever the client's own timeouts.
   * @default 1_000
   */
  timeout?: number
  /**
   * What a request gets if the store is unavailable when its session is read: a 503 (`'error'`), or an empty session
   * that is never saved (`'anonymous'`). A route can override it: `config: { session: { onUnavailable } }`.
   * @default 'error'
   */
  onUnavailable?: 'error' | 'anonymous'
  /**
   * After `failures` consecutive failures (5), operations fail at once. Every `openFor` milliseconds (1,000) one is let
   * through as a probe. `true` uses these defaults.
   * @default false
   */
  circuitBreaker?: boolean | Partial<CircuitBreaker>
  /**
   * Keeps records in the memory of this process. Redis reports every write, so a session that was changed or ended
   * elsewhere is served for at most `maxStale` seconds (1). All entries together take `maxBytes` (33,554,432).
   * @default false
   */
  nearCache?: boolean | Partial<NearCacheLimits>
  /**
   * Allows `session.signal`, which is aborted when the session ends, on whichever process. Redis then publishes each ended
   * session on the channel `prefix` + `'ended'`.
   * @default false
   */
  signals?: boolean
  /**
   * Binds each session to the browser that has signed in, if that can keep a key on its device (Device Bound Session
   * Credentials). Needs a `secret`, and a cookie of one host over https.
   * @default false
   */
  deviceBound?: boolean | DeviceBoundOptions
  /**
   * How many replicas of Redis must have a commit or a logout before the response is sent.
   * @default 0
   */
  replicas?: number
  /**
   * How long a request waits for these replicas, in milliseconds; less than `timeout`. Redis checks it ten times a
   * second, so the error may come 100 ms later.
   * @default 500, or half of `timeout` if that is less
   */
  replicaTimeout?: number
  /**
   * Puts the last commit that the browser saw into a second, signed cookie, so that lost commits are noticed: see
   * `session.rolledBack`. Needs a `secret`.
   * @default false
   */
  detectRollback?: boolean
  /**
   * What to do if Redis cannot be used at start-up: log it and start (`'go'`), wait until it can (`'wait'`), or fail.
   * @default 'go'
   */
  startUp?: 'go' | 'wait' | 'fail'
  /**
   * The name of the request property. The key prefix and the cookie's name begin with it.
   * @default 'session'
   */
  decorator?: string
  /**
   * How many seconds a tombstone remains under the old id after `regenerate()`, for requests in flight.
   * @default 30
   */
  graceAfterRegenerate?: number
  /**
   * What to do if an id comes back that `regenerate()` replaced, after `graceAfterRegenerate`: a sign of theft. `'report'`
   * logs it; `'end'` also ends the session that has replaced it. Ids are watched for `window` seconds (a day, or
   * `idleTimeout` if that is less). Also reports addresses that send many unknown ids.
   * @default Old ids are forgotten.
   * @example { action: 'end', window: 7 * 86_400 }
   */
  onReplay?: ReplayAction | { action: ReplayAction; window?: number }
  /**
   * What a request gets if its record cannot be decoded: an empty session, or an error. The record stays; what is
   * written to the empty session begins another one.
   * @default 'empty'
   */
  onUndecodable?: 'empty' | 'error'
  /**
   * Who has signed in: a key of the session, or a function of its data. Then `app.sessions` can list and end the sessions
   * of a user.
   * @default Sessions have no users.
   * @example 'userId'
   */
  user?: (keyof SessionData & string) | ((data: Partial<SessionData>) => unknown)
  /**
   * How many sessions a user may have. At one more, `'end-oldest'` ends those that were used least recently, and
   * `'refuse'` refuses to sign in. Needs the option `user`.
   * @default Any number.
   */
  maxPerUser?: MaxPerUser
  /**
   * The merge rule of each key that two requests may change at once. Without a rule the later commit wins.
   * @default {}
   * @example { visits: mergeRules.sum, cart: 'conflict' }
   */
  merge?: MergeRules
  /**
   * Continues sessions of other libraries, by adopters of `fastify-ioredis-session/adopt` or your own. Needs a `secret`.
   * @default []
   * @example [fastifySession({ secret: oldSecret })]
   */
  adopt?: readonly Adopter[]
  /**
   * What the data of a session looks like: a version, upgrades from earlier versions, and a Standard Schema such as one of
   * zod, valibot or arktype. Sessions stored before the option was set have version 1.
   * @default The data is not checked.
   * @example { version: 2, upgrade: { 1: (data) => ({ ...data, theme: 'light' }) }, validate: sessionSchema }
   */
  schema?: SchemaOptions
  /**
   * Encrypts records in the store by AES-256-GCM, with `keys` of 32 random bytes (or their base64), newest first. Records of
   * the older ones stay readable.
   * @default Records are stored in the clear.
   * @example { keys: [newest, older], required: true }
   */
  encryption?: EncryptionOptions
}

/** The options, complete and checked. */
export interface Settings {
  redis: RedisSessionOptions['redis']
  store: Store | undefined
  prefix: string
  serializer: Serializer
  readSerializers: readonly Serializer[]
  secrets: readonly Secret[]
  cookie: Cookie
  transport: Transport | readonly Transport[] | undefined
  lifetimes: Lifetimes
  maxRecordBytes: number
  saveOn5xx: boolean
  decorator: string
  graceAfterRegenerate: number
  onReplay: { action: ReplayAction; window: number } | undefined
  timeout: number
  onUnavailable: 'error' | 'anonymous'
  circuitBreaker: CircuitBreaker | undefined
  nearCache: NearCacheLimits | undefined
  signals: boolean
  deviceBound: boolean | DeviceBoundOptions | undefined
  replicas: number
  replicaTimeout: number
  detectRollback: boolean
  startUp: 'go' | 'wait' | 'fail'
  onUndecodable: 'empty' | 'error'
  merge: MergeRules
  adopt: readonly Adopter[]
  schema: SchemaOptions | undefined
  encryption: EncryptionOptions | undefined
  user: UserOption | undefined
  maxPerUser: MaxPerUser | undefined
}

const DEFAULTS = {
  redis: 'redis://localhost:6379',
  serializer: 'json',
  idleTimeout: 86_400,
  permanentLifetime: 31 * 86_400,
  touchAfter: 60,
  rolling: true,
  maxRecordBytes: 65_536,
  saveOn5xx: false,
  decorator: 'session',
  graceAfterRegenerate: 30,
  timeout: 1_000,
  onUnavailable: 'error',
  circuitBreaker: false,
  nearCache: false,
  signals: false,
  replicas: 0,
  replicaTimeout: 500,
  detectRollback: false,
  startUp: 'go',
  onUndecodable: 'empty'
} as const

const NAMES: readonly string[] = [
  ...Object.keys(DEFAULTS),
  ...[
    'store',
    'prefix',
    'readSerializers',
    'secret',
    'cookie',
    'transport',
    'deviceBound',
    'absoluteTimeout',
    'merge',
    'adopt',
    'schema',
    'encryption',
    'user',
    'maxPerUser',
    'onReplay'
  ]
]
/** Options that Fastify, fastify-cli and @fastify/autoload pass to every plugin. */
const IGNORED: readonly string[] = ['logLevel', 'logSerializers', 'skipOverride']
/** The most seconds that the header of a record has room for: about 136 years. */
const MAX_SECONDS = 2 ** 32 - 1
/** The most milliseconds that a timer accepts. */
const MAX_TIMER = 2 ** 31 - 1
const BREAKER: CircuitBreaker = { failures: 5, openFor: 1_000 }
const NEAR_CACHE: NearCacheLimits = { maxStale: 1, maxBytes: 33_554_432 }
/** Seconds: no session that was ended may be served for longer, and four PINGs in less time say little. */
const [MIN_STALE, MAX_STALE] = [0.1, 60]
/** With more, a Map could have more entries than it takes. */
const MAX_NEAR_BYTES = 2 ** 32
/** Seconds. */
const REPLAY_WINDOW = 86_400
/** A full set of sessions is read with each login. */
const MAX_PER_USER = 1_000
const MIN_SECRET_LENGTH = 32
const MIN_RECORD_BYTES = 64
const STORE_METHODS = ['read', 'create', 'update', 'touch', 'destroy'] as const

/** @throws {OptionError} FST_SESSION_OPTION, naming the first option that cannot be used. */
export function resolveOptions(options: RedisSessionOptions, production: boolean): Settings {
  for (const name of Object.keys(options)) refuseUnknown(name)
  refuseUnset(options)
  if (options.redis !== undefined && options.store !== undefined) {
    throw new OptionError('store', 'cannot be combined with the option redis: leave one of them out')
  }
  const decorator = text(
    'decorator',
    options.decorator === undefined ? DEFAULTS.decorator : options.decorator
  )
  if (options.detectRollback === true && options.secret === undefined) {
    throw new OptionError(
      'detectRollback',
      'needs the option secret: without it a browser could claim any commit'
    )
  }
  const {
    redis = DEFAULTS.redis,
    serializer = DEFAULTS.serializer,
    readSerializers = [],
    cookie = {},
    idleTimeout = DEFAULTS.idleTimeout,
    permanentLifetime = DEFAULTS.permanentLifetime,
    absoluteTimeout,
    rolling = DEFAULTS.rolling,
    maxRecordBytes = DEFAULTS.maxRecordBytes,
    saveOn5xx = DEFAULTS.saveOn5xx,
    graceAfterRegenerate = DEFAULTS.graceAfterRegenerate,
    timeout = DEFAULTS.timeout,
    onUnavailable = DEFAULTS.onUnavailable,
    circuitBreaker = DEFAULTS.circuitBreaker,
    nearCache = DEFAULTS.nearCache,
    signals = DEFAULTS.signals,
    replicas = DEFAULTS.replicas,
    detectRollback = DEFAULTS.detectRollback,
    startUp = DEFAULTS.startUp,
    onUndecodable = DEFAULTS.onUndecodable,
    merge = {},
    adopt = []
  } = options
  whole('idleTimeout', idleTimeout, 1, MAX_SECONDS)
  whole('permanentLifetime', permanentLifetime, 1, MAX_COOKIE_AGE)
  const shortest = Math.min(idleTimeout, permanentLifetime)
  const { touchAfter = Math.min(DEFAULTS.touchAfter, shortest / 10) } = options
  if (number('touchAfter', touchAfter, 0, MAX_SECONDS) >= shortest) {
    throw new OptionError('touchAfter', 'must be less than idleTimeout and permanentLifetime')
  }
  whole('timeout', timeout, 1, MAX_TIMER)
  const { replicaTimeout = Math.min(DEFAULTS.replicaTimeout, Math.ceil(timeout / 2)) } = options
  whole('replicaTimeout', replicaTimeout, 1, MAX_TIMER)
  // After the timeout the response can no longer say that the commit is stored but not replicated.
  if (whole('replicas', replicas, 0, 100) > 0 && replicaTimeout >= timeout) {
    throw new OptionError('replicaTimeout', `must be less than timeout (${timeout})`)
  }
  return {
    redis: options.store === undefined ? checkRedis(redis) : undefined,
    store: checkStore(options.store),
    prefix: resolvePrefix(options.prefix, decorator),
    serializer: checkSerializer(serializer),
    readSerializers: checkReaders(readSerializers, serializer),
    secrets: secretsOf(options.secret),
    cookie: resolveCookie(cookie, decorator, production),
    transport: options.transport,
    lifetimes: {
      idleTimeout,
      permanentLifetime,
      absoluteTimeout:
        absoluteTimeout === undefined ? undefined : whole('absoluteTimeout', absoluteTimeout, 1, MAX_SECONDS),
      touchAfter,
      rolling: boolean('rolling', rolling)
    },
    maxRecordBytes: whole('maxRecordBytes', maxRecordBytes, MIN_RECORD_BYTES, Number.MAX_SAFE_INTEGER),
    saveOn5xx: boolean('saveOn5xx', saveOn5xx),
    decorator,
    graceAfterRegenerate: whole('graceAfterRegenerate', graceAfterRegenerate, 1, MAX_SECONDS),
    onReplay: checkReplay(options.onReplay, idleTimeout),
    timeout,
    onUnavailable: oneOf('onUnavailable', onUnavailable, ['error', 'anonymous']),
    circuitBreaker: checkBreaker(circuitBreaker),
    nearCache: checkNearCache(nearCache, options),
    signals: checkSignals(signals, options),
    deviceBound: options.deviceBound,
    replicas,
    replicaTimeout,
    detectRollback: boolean('detectRollback', detectRollback),
    startUp: oneOf('startUp', startUp, ['go', 'wait', 'fail']),
    onUndecodable: oneOf('onUndecodable', onUndecodable, ['empty', 'error']),
    merge: checkMerge(merge),
    adopt: checkAdopters(adopt, options),
    schema: options.schema,
    encryption: options.encryption,
    user: checkUser(options),
    maxPerUser: checkMaxPerUser(options)
  }
}

function refuseUnknown(name: string): void {
  if (NAMES.includes(name) || IGNORED.includes(name)) return
  throw new OptionError(name, foreignOptions.get(name) ?? `is not one of ${NAMES.join(', ')}`)
}

// Their defaults are Redis on localhost and unsigned cookies. A missing environment variable must not lead to that.
function refuseUnset(options: RedisSessionOptions): void {
  const { redis, store } = options
  const unset = 'is undefined: its environment variable is probably not set; leave the option out to'
  if ('redis' in options && redis === undefined && store === undefined) {
    throw new OptionError('redis', `${unset} use ${DEFAULTS.redis}`)
  }
  if ('secret' in options && options.secret === undefined) {
    throw new OptionError('secret', `${unset} send unsigned ids`)
  }
  if (typeof redis !== 'object' || redis === null || isRedisClient(redis)) return
  if ('host' in redis && redis.host === undefined && !redis.path && !redis.sentinels) {
    throw new OptionError('redis.host', `${unset} use localhost`)
  }
}

function resolvePrefix(value: string | undefined, decorator: string): string {
  if (value !== undefined && typeof value !== 'string') throw new OptionError('prefix', 'must be a string')
  return value === undefined || value === '' || value.startsWith('/') ? `${decorator}:` : value
}

/** Whether this is a client, and not a URL or options. */
export function isRedisClient(value: RedisSessionOptions['redis']): value is RedisClient {
  return typeof value === 'object' && 'getBuffer' in value
}

// On such a URL ioredis throws outside of any promise, and its error shows the password.
function checkUrl(value: string): void {
  let url: URL
  try {
    url = new URL(value)
    decodeURIComponent(`${url.username}${url.password}`)
  } catch {
    throw new OptionError(
      'redis',
      'is not a valid URL: escape the user and the password in it, as encodeURIComponent does'
    )
  }
  const database = url.searchParams.get('db') ?? url.pathname.slice(1)
  if (!/^\d*$/.test(database)) throw new OptionError('redis', 'must name its database by a number')
}

/** @throws {OptionError} FST_SESSION_OPTION */
export function checkRedis(
  value: NonNullable<RedisSessionOptions['redis']>
): NonNullable<RedisSessionOptions['redis']> {
  if (typeof value === 'string') {
    // The URL may hold a password: the message does not repeat it.
    if (!/^(rediss?|unix):\/\//.test(value) && !value.startsWith('/')) {
      throw new OptionError('redis', 'must be a URL that begins with redis:// or rediss://')
    }
    if (value.startsWith('redis')) checkUrl(value)
  } else if (typeof value !== 'object' || value === null || 'then' in value) {
    throw new OptionError('redis', 'must be an ioredis client, a URL or an object of ioredis options')
  } else if ('sendCommand' in value || 'connect' in value) {
    for (const method of CLIENT_METHODS) {
      if (typeof value[method as keyof typeof value] !== 'function') {
        throw new OptionError(
          'redis',
          `is a client without ${method}(): use one of ioredis or iovalkey, not of node-redis`
        )
      }
    }
  }
  return value
}

function checkStore(value: Store | undefined): Store | undefined {
  if (value === undefined) return undefined
  for (const method of STORE_METHODS) {
    if (typeof value?.[method] !== 'function')
      throw new OptionError('store', `must have a method ${method}()`)
  }
  return value
}

function checkSerializer(value: SerializerName | Serializer): Serializer {
  if (typeof value !== 'string') return ownSerializer('serializer', value)
  if (!Object.hasOwn(serializers, value)) {
    throw new OptionError(
      'serializer',
      `${keyName(value)} is not one of ${Object.keys(serializers).join(', ')}; pass one of these or an object`
    )
  }
  return serializers[value]
}

function checkReaders(
  readers: readonly Serializer[],
  writer: SerializerName | Serializer
): readonly Serializer[] {
  if (!Array.isArray(readers)) throw new OptionError('readSerializers', 'must be a list of serializers')
  const byTag = new Map<number, unknown>(typeof writer === 'string' ? [] : [[writer.tag, writer]])
  for (const reader of readers) {
    if (typeof reader === 'string') {
      throw new OptionError(
        'readSerializers',
        `must hold serializers of your own: those of this package are always read, so leave ${keyName(reader)} out`
      )
    }
    const { name, tag } = ownSerializer('readSerializers', reader)
    if (byTag.has(tag) && byTag.get(tag) !== reader) {
      throw new OptionError(
        'readSerializers',
        `${name} has the same tag ${tag} as another serializer: give it another one`
      )
    }
    byTag.set(tag, reader)
  }
  return readers
}

function ownSerializer(option: string, value: Serializer): Serializer {
  if (typeof value?.encode !== 'function' || typeof value.decode !== 'function') {
    throw new OptionError(option, 'needs the methods encode() and decode()')
  }
  if (typeof value.name !== 'string' || value.name === '') throw new OptionError(option, 'needs a name')
  const isOurs = Object.values<Serializer>(serializers).includes(value)
  if (!isOurs && !(Number.isInteger(value.tag) && value.tag > OWN_TAGS && value.tag <= 255)) {
    throw new OptionError(option, `${value.name} needs a tag from ${OWN_TAGS + 1} to 255`)
  }
  return value
}

function secretsOf(value: RedisSessionOptions['secret']): readonly Secret[] {
  if (value === undefined) return []
  const list: readonly Secret[] = Array.isArray(value) ? value : [value]
  if (list.length === 0) throw new OptionError('secret', 'must not be an empty list')
  for (const secret of list) {
    if (typeof secret !== 'string' && !(secret instanceof Uint8Array)) {
      throw new OptionError('secret', 'must be a string, a Buffer, or a list of them')
    }
    if (secret.length < MIN_SECRET_LENGTH) {
      throw new OptionError('secret', `has ${secret.length} characters: use at least ${MIN_SECRET_LENGTH}`)
    }
  }
  return list
}

function checkBreaker(value: NonNullable<RedisSessionOptions['circuitBreaker']>): CircuitBreaker | undefined {
  if (value === false) return undefined
  if (value !== true && (typeof value !== 'object' || value === null)) {
    throw new OptionError('circuitBreaker', 'must be true, false or an object')
  }
  if (value !== true) onlyMembers('circuitBreaker', value, Object.keys(BREAKER))
  const { failures = BREAKER.failures, openFor = BREAKER.openFor } = value === true ? {} : value
  return {
    failures: whole('circuitBreaker.failures', failures, 1, Number.MAX_SAFE_INTEGER),
    openFor: whole('circuitBreaker.openFor', openFor, 1, MAX_TIMER)
  }
}

function checkNearCache(
  value: NonNullable<RedisSessionOptions['nearCache']>,
  { redis, store }: RedisSessionOptions
): NearCacheLimits | undefined {
  if (value === false) return undefined
  if (value !== true && (typeof value !== 'object' || value === null)) {
    throw new OptionError('nearCache', 'must be true, false or an object')
  }
  if (store !== undefined) throw new OptionError('nearCache', 'excludes the option store: it is for Redis')
  if (isRedisClient(redis) && !('duplicate' in redis)) {
    throw new OptionError('nearCache', 'needs a client with duplicate(), to open one more connection')
  }
  if (value !== true) onlyMembers('nearCache', value, Object.keys(NEAR_CACHE))
  const { maxStale = NEAR_CACHE.maxStale, maxBytes = NEAR_CACHE.maxBytes } = value === true ? {} : value
  return {
    maxStale: number('nearCache.maxStale', maxStale, MIN_STALE, MAX_STALE),
    maxBytes: whole('nearCache.maxBytes', maxBytes, 1, MAX_NEAR_BYTES)
  }
}

function checkSignals(value: boolean, { redis, store }: RedisSessionOptions): boolean {
  if (!boolean('signals', value)) return false
  if (store !== undefined && store.watch === undefined) {
    throw new OptionError(
      'signals',
      'needs a store with watch(): give a RedisStore its option channel, or add watch() to your store'
    )
  }
  if (isRedisClient(redis) && !('duplicate' in redis)) {
    throw new OptionError('signals', 'needs a client with duplicate(), to open one more connection')
  }
  return true
}

function checkReplay(value: RedisSessionOptions['onReplay'], idleTimeout: number): Settings['onReplay'] {
  if (value === undefined) return undefined
  if (typeof value !== 'string' && (typeof value !== 'object' || value === null)) {
    throw new OptionError('onReplay', "must be 'report', 'end' or an object: { action: 'report' }")
  }
  const isText = typeof value === 'string'
  if (!isText) onlyMembers('onReplay', value, ['action', 'window'])
  const { action, window = Math.min(REPLAY_WINDOW, idleTimeout) } = isText ? { action: value } : value
  return {
    action: oneOf(isText ? 'onReplay' : 'onReplay.action', action, ['report', 'end']),
    window: whole('onReplay.window', window, 1, MAX_SECONDS)
  }
}

function checkMerge(rules: MergeRules): MergeRules {
  if (typeof rules !== 'object' || rules === null) throw new OptionError('merge', 'must be an object')
  for (const [key, rule] of Object.entries(rules)) {
    if (typeof rule !== 'function' && rule !== 'conflict') {
      throw new OptionError(`merge.${key}`, "must be a function or 'conflict'")
    }
  }
  return rules
}

function checkAdopters(adopters: readonly Adopter[], { secret }: RedisSessionOptions): readonly Adopter[] {
  if (!Array.isArray(adopters)) throw new OptionError('adopt', 'must be a list of adopters')
  if (adopters.length > 0 && secret === undefined) {
    throw new OptionError('adopt', 'needs the option secret: the new ids follow from the old ones under it')
  }
  return adopters
}

function checkUser({ user }: RedisSessionOptions): UserOption | undefined {
  if (user === undefined) return undefined
  return typeof user === 'function' ? (data) => user(data as Partial<SessionData>) : text('user', user)
}

function checkMaxPerUser({ maxPerUser, user }: RedisSessionOptions): MaxPerUser | undefined {
  if (maxPerUser === undefined) return undefined
  if (user === undefined) throw new OptionError('maxPerUser', 'needs the option user: set it')
  if (typeof maxPerUser !== 'object' || maxPerUser === null) {
    throw new OptionError('maxPerUser', "must be an object: { limit: 5, onFull: 'end-oldest' }")
  }
  onlyMembers('maxPerUser', maxPerUser, ['limit', 'onFull'])
  const { limit, onFull } = maxPerUser
  return {
    limit: whole('maxPerUser.limit', limit, 1, MAX_PER_USER),
    onFull: oneOf('maxPerUser.onFull', onFull, ['end-oldest', 'refuse'])
  }
}

function text(option: string, value: string): string {
  if (typeof value !== 'string' || value === '') throw new OptionError(option, 'must be a non-empty string')
  return value
}

function boolean(option: string, value: boolean): boolean {
  if (typeof value !== 'boolean') throw new OptionError(option, 'must be true or false')
  return value
}

function oneOf<Value extends string>(option: string, value: Value, values: readonly Value[]): Value {
  if (!values.includes(value)) throw new OptionError(option, `must be one of ${values.join(', ')}`)
  return value
}

function number(option: string, value: number, min: number, max: number): number {
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw new OptionError(option, `must be a number from ${min} to ${max}`)
  }
  return value
}

function whole(option: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(number(option, value, min, max)))
    throw new OptionError(option, 'must be a whole number')
  return value
}
