// How other libraries sign ids. The whole value is compared, in constant time, with the signature of each secret.
import { Buffer } from 'node:buffer'
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../cookies/session-id.js'

type Sign = (secret: Secret, text: string) => string

/** cookie-signature, which express-session, @fastify/cookie and @mgcrea/fastify-session agree with. */
export const cookieSignature: Sign = (secret, text) =>
  createHmac('sha256', secret).update(text).digest('base64').replace(/=+$/, '')

/** keygrip, which signs the cookies of Koa. */
export const keygrip: Sign = (secret, text) => createHmac('sha1', secret).update(text).digest('base64url')

/** itsdangerous as Flask-Session uses it: the key is derived from the secret and a salt. */
export const itsdangerous: Sign = (secret, text) =>
  createHmac('sha1', createHmac('sha1', secret).update('flask-session').digest())
    .update(text)
    .digest('base64url')

/** Whether one of the secrets made this signature of the text. */
export function isSigned(text: string, signature: string, secrets: readonly Secret[], sign: Sign): boolean {
  const given = Buffer.from(signature)
  return secrets.some((secret) => {
    const expected = Buffer.from(sign(secret, text))
    return given.length === expected.length && timingSafeEqual(given, expected)
  })
}

/** Opens `text.signature`; `undefined` if no secret made the signature. */
export function openSigned(value: string, secrets: readonly Secret[], sign: Sign): string | undefined {
  const dot = value.lastIndexOf('.')
  const text = value.slice(0, dot)
  return dot > 0 && isSigned(text, value.slice(dot + 1), secrets, sign) ? text : undefined
}
