// Sessions of Flask-Session 0.8: msgpack or JSON. Older versions wrote pickle, which is never read.
import type { Buffer } from 'node:buffer'
import { read } from '../../serializers/msgpack-reader.js'
import type { Dictionary } from '../../serializers/serializer.js'
import { isDictionary } from '../data/weight.js'
import { OptionError } from '../errors.js'
import type { Adopter } from './adopter.js'
import { jsonOf } from './json.js'
import { type AdopterOptions, resolve } from './options.js'
import { itsdangerous, openSigned } from './signatures.js'

export type FlaskSessionOptions = AdopterOptions | (Omit<AdopterOptions, 'secret'> & { unsigned: true })

const NAME = 'flask-session'
/** 32 random bytes or more in base64url. A shorter id could be guessed, since nothing signs it. */
const BARE_ID = /^[\w-]{43,128}$/
const OPENING_BRACE = 0x7b

/**
 * Adopts sessions of Flask-Session 0.8. `secret` is `SECRET_KEY`, if `SESSION_USE_SIGNER` is on. Otherwise cookies hold
 * bare ids, which are accepted only with `unsigned: true`.
 * @throws FST_SESSION_OPTION
 */
export function flaskSession(options: FlaskSessionOptions): Adopter {
  const isUnsigned = 'unsigned' in options
  if (isUnsigned && (options.unsigned !== true || 'secret' in options)) {
    throw new OptionError(
      `adopt.${NAME}.unsigned`,
      'must be true, and excludes secret: leave one of them out'
    )
  }
  const defaults = { prefix: 'session:', cookieName: 'session' }
  // Any secret passes the check; none is used.
  const given = isUnsigned ? { ...options, secret: NAME } : options
  const { base, secrets } = resolve(NAME, given, defaults, ['unsigned'])
  return {
    ...base,
    verify(value) {
      if (isUnsigned) return BARE_ID.test(value) ? value : undefined
      return openSigned(value, secrets, itsdangerous)
    },
    decode(bytes) {
      const { _permanent, ...data } = bytes[0] === OPENING_BRACE ? jsonOf(bytes) : msgpackOf(bytes)
      return { data, permanent: _permanent === true }
    }
  }
}

function msgpackOf(bytes: Buffer): Dictionary {
  const value = plain(read(bytes))
  if (!isDictionary(value)) throw new TypeError('not an object')
  return value
}

// Python writes a dict as a map, and a whole number above 2³² in 64 bits.
function plain(value: unknown): unknown {
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => {
      if (typeof key !== 'string') throw new TypeError('a key that is not a string')
      return [key, plain(item)] as const
    })
    return Object.fromEntries(entries)
  }
  if (Array.isArray(value)) return value.map(plain)
  const isSafe =
    typeof value === 'bigint' && BigInt(Number(value)) === value && Number.isSafeInteger(Number(value))
  return isSafe ? Number(value) : value
}
