// Sessions of @fastify/session and express-session. Both store JSON with the attributes of the cookie, by connect-redis
// or a store of the same kind.
import type { Dictionary } from '../../serializers/serializer.js'
import type { Adopter, OldSession } from './adopter.js'
import { jsonOf } from './json.js'
import { type AdopterOptions, resolve } from './options.js'
import { cookieSignature, openSigned } from './signatures.js'

export interface FastifySessionOptions extends AdopterOptions {
  /**
   * The option `cookiePrefix` of @fastify/session.
   * @default ''
   */
  cookiePrefix?: string
}

/**
 * Adopts sessions of @fastify/session. Their keys begin with `sess:`, as connect-redis writes them. Pass `prefix: ''` for
 * a store that adds nothing to the id.
 * @throws FST_SESSION_OPTION
 */
export function fastifySession(options: FastifySessionOptions): Adopter {
  return connectSession('@fastify/session', 'sessionId', '', options, ['cookiePrefix'])
}

/**
 * Adopts sessions that express-session has stored by connect-redis.
 * @throws FST_SESSION_OPTION
 */
export function expressSession(options: AdopterOptions): Adopter {
  return connectSession('express-session', 'connect.sid', 's:', options, [])
}

function connectSession(
  name: string,
  cookieName: string,
  defaultPrefix: string,
  options: FastifySessionOptions,
  further: readonly string[]
): Adopter {
  const { base, secrets } = resolve(name, options, { prefix: 'sess:', cookieName }, further)
  const { cookiePrefix = defaultPrefix } = options
  return {
    ...base,
    verify(sent) {
      // Express encodes the cookie, @fastify/session does not. A signature contains no %.
      const value = sent.includes('%') ? decodeURIComponent(sent) : sent
      if (!value.startsWith(cookiePrefix)) return undefined
      return openSigned(value.slice(cookiePrefix.length), secrets, cookieSignature)
    },
    decode: (bytes) => read(jsonOf(bytes))
  }
}

// Early versions of @fastify/session stored the id, too.
function read({ cookie, sessionId, encryptedSessionId, ...data }: Dictionary): OldSession {
  const { expires } = cookie as { expires?: string | null }
  if (expires == null) return { data }
  return { data, permanent: true, expiresAt: Date.parse(expires) }
}
