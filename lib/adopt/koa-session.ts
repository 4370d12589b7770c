// Sessions of koa-session and koa-generic-session in koa-redis: JSON. Koa signs the cookie by a second one.
import type { Secret } from '../cookies/session-id.js'
import type { Adopter } from './adopter.js'
import { jsonOf } from './json.js'
import { type AdopterOptions, resolve } from './options.js'
import { isSigned, keygrip } from './signatures.js'

/**
 * Adopts sessions of koa-session with koa-redis. `secret` is `app.keys`.
 * @throws FST_SESSION_OPTION
 */
export function koaSession(options: AdopterOptions): Adopter {
  const { base, cookieName, secrets } = resolve('koa-session', options, {
    prefix: '',
    cookieName: 'koa.sess',
    also
  })
  return {
    ...base,
    verify: verifier(cookieName, secrets),
    decode(bytes) {
      const { _expire, _maxAge, _session, ...data } = jsonOf(bytes)
      const expiresAt = typeof _expire === 'number' ? _expire : undefined
      return { data, permanent: _session !== true, expiresAt }
    }
  }
}

/**
 * Adopts sessions of koa-generic-session with koa-redis. `secret` is `app.keys`.
 * @throws FST_SESSION_OPTION
 */
export function koaGenericSession(options: AdopterOptions): Adopter {
  const { base, cookieName, secrets } = resolve('koa-generic-session', options, {
    prefix: 'koa:sess:',
    cookieName: 'koa.sid',
    also
  })
  return {
    ...base,
    verify: verifier(cookieName, secrets),
    decode(bytes) {
      const { cookie, ...data } = jsonOf(bytes)
      const { maxAge } = cookie as { maxAge?: number | null }
      return { data, permanent: typeof maxAge === 'number' }
    }
  }
}

function also(name: string): readonly string[] {
  return [`${name}.sig`]
}

function verifier(name: string, secrets: readonly Secret[]): Adopter['verify'] {
  return (id, values) =>
    values(`${name}.sig`).some((signature) => isSigned(`${name}=${id}`, signature, secrets, keygrip))
      ? id
      : undefined
}
