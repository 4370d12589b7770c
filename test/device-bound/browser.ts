// A browser with Device Bound Session Credentials over `inject`, as Chromium 156 speaks them: it registers a key when a
// response offers that, and renews its proof when the test tells it to.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { Jar } from '../../lib/testing/jar.js'

export interface Keys {
  algorithm: 'ES256' | 'RS256'
  privateKey: KeyObject
  jwk: object
}

// Node 20 hangs if it collects the job that has generated a key while that key is exported. So these are copies.
const privateKeyEncoding = { type: 'pkcs8', format: 'der' } as const
const publicKeyEncoding = { type: 'spki', format: 'der' } as const

export function newKeys(
  algorithm: 'ES256' | 'RS256' = 'ES256',
  { namedCurve = 'P-256', modulusLength = 2_048 } = {}
): Keys {
  const { privateKey: key } =
    algorithm === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve, privateKeyEncoding, publicKeyEncoding })
      : generateKeyPairSync('rsa', { modulusLength, privateKeyEncoding, publicKeyEncoding })
  const privateKey = createPrivateKey({ key, ...privateKeyEncoding })
  return { algorithm, privateKey, jwk: createPublicKey(privateKey).export({ format: 'jwk' }) }
}

/** A proof. */
export function jws(header: object, payload: object, { algorithm, privateKey }: Keys): string {
  const signed = [header, payload]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const options = algorithm === 'ES256' ? ({ dsaEncoding: 'ieee-p1363' } as const) : {}
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, ...options })
  return `${signed}.${signature.toString('base64url')}`
}

export const registration = (challenge: string, keys: Keys, header: object = {}): string =>
  jws({ alg: keys.algorithm, jwk: keys.jwk, typ: 'dbsc+jwt', ...header }, { jti: challenge }, keys)

export const proof = (challenge: string, keys: Keys, header: object = {}): string =>
  jws({ alg: keys.algorithm, typ: 'dbsc+jwt', ...header }, { jti: challenge }, keys)

/** The challenge and the path of this offer. */
export function offerIn({
  headers
}: LightMyRequestResponse): { path: string; challenge: string } | undefined {
  const offer = headers['secure-session-registration']
  const [, path = '', challenge = ''] =
    /^\(ES256 RS256\);path="(.+?)";challenge="(.+?)"$/.exec(String(offer)) ?? []
  return challenge === '' ? undefined : { path, challenge }
}

const HTTPS = { 'x-forwarded-proto': 'https' }
const OWN = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'no-cors', origin: 'https://localhost' }

export class DeviceBrowser {
  readonly #app: FastifyInstance
  jar = new Jar()
  keys = newKeys()
  /** What the last registration was answered with. */
  instructions: { session_identifier: string; refresh_url: string } | undefined
  /** The challenge that the next proof answers. */
  challenge: string | undefined

  constructor(app: FastifyInstance) {
    this.#app = app
  }

  /** Sends a request with the cookies that have not expired, and keeps those of the response. */
  async send(method: 'GET' | 'POST', url: string, headers: Record<string, string> = {}) {
    const cookie = this.jar.header(url)
    const response = await this.#app.inject({
      ...{ method, url },
      headers: { ...HTTPS, ...(cookie !== undefined && { cookie }), ...headers }
    })
    this.jar.keep([response.headers['set-cookie'] ?? []].flat())
    const [, challenge] = /^"(.+)";id="/.exec(String(response.headers['secure-session-challenge'])) ?? []
    if (challenge !== undefined) this.challenge = challenge
    return response
  }

  async get(url: string, headers?: Record<string, string>) {
    return this.send('GET', url, headers)
  }

  /** Sends a proof to one of the routes. */
  async prove(url: string, token: string | undefined, headers: Record<string, string> = {}) {
    return this.send('POST', url, {
      ...OWN,
      'content-length': '0',
      ...(token !== undefined && { 'secure-session-response': token }),
      ...headers
    })
  }

  /** Signs in, and registers the key if the response offers it. */
  async signIn(url = '/login') {
    const login = await this.get(url)
    const offer = offerIn(login)
    if (offer !== undefined) await this.register(offer)
    return login
  }

  async register({ path, challenge }: { path: string; challenge: string }) {
    const response = await this.prove(path, registration(challenge, this.keys))
    if (response.statusCode === 200) this.instructions = response.json()
    return response
  }

  /** Renews the proof, with a second try if the challenge is stale. */
  async refresh() {
    const first = await this.refreshOnce()
    return first.statusCode === 403 ? this.refreshOnce() : first
  }

  async refreshOnce(token = this.challenge && proof(this.challenge, this.keys)) {
    const { refresh_url: url = '', session_identifier: id = '' } = this.instructions ?? {}
    return this.prove(url, token, { 'sec-secure-session-id': id })
  }

  /** Somebody with all cookies that this browser has now. */
  steal(): DeviceBrowser {
    const thief = new DeviceBrowser(this.#app)
    thief.jar = this.jar.copy()
    thief.instructions = this.instructions
    return thief
  }
}
