// Sessions of @mgcrea/fastify-session and its Redis store: a hash with the data in JSON and the expiry.
import { Buffer } from 'node:buffer'
import type { Adopter } from './adopter.js'
import { jsonOf } from './json.js'
import { type AdopterOptions, resolve } from './options.js'
import { cookieSignature, openSigned } from './signatures.js'

/**
 * Adopts sessions of @mgcrea/fastify-session, signed by its default, HMAC. For its option `key`, pass the bytes:
 * `secret: Buffer.from(key, 'base64')`.
 * @throws FST_SESSION_OPTION
 */
export function mgcreaSession(options: AdopterOptions): Adopter {
  const { base, secrets } = resolve('@mgcrea/fastify-session', options, {
    prefix: 'sess:',
    cookieName: 'Session'
  })
  // It takes the characters of a secret for bytes.
  const keys = secrets.map((secret) => (typeof secret === 'string' ? Buffer.from(secret, 'latin1') : secret))
  return {
    ...base,
    verify(value) {
      const sent = value.includes('%') ? decodeURIComponent(value) : value
      const dot = sent.indexOf('.')
      const encoded = sent.slice(0, dot)
      const id = Buffer.from(encoded, 'base64').toString()
      // Base64 has several spellings of one id.
      if (dot < 0 || Buffer.from(id).toString('base64') !== encoded) return undefined
      return openSigned(`${id}${sent.slice(dot)}`, keys, cookieSignature)
    },
    fields: ['data', 'expiry'],
    decode(data, expiry) {
      const expiresAt = Number(expiry)
      return { data: jsonOf(data), ...(expiresAt > 0 && { permanent: true, expiresAt }) }
    }
  }
}
