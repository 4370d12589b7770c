// What nobody may get in by: forged proofs, proofs of other sessions, old challenges, requests of other sites.
import { createHmac } from 'node:crypto'
import t, { type Test } from 'tap'
import { bind, boundAtIn, newBinding } from '../../lib/device-bound/binding.js'
import { isSignedBy, keyIn, openProof } from '../../lib/device-bound/proof.js'
import { Tokens } from '../../lib/device-bound/tokens.js'
import { contextOf } from '../../lib/plugin/registrations.js'
import { openRecord } from '../../lib/records/record.js'
import { openRecords } from '../../lib/sessions/access.js'
import { memory } from '../support/memory.js'
import fc from '../support/properties.js'
import { startRedis } from '../support/redis-server.js'
import { DeviceBrowser, jws, type Keys, newKeys, offerIn, proof, registration } from './browser.js'
import { SECRET, serve, turnableClock } from './service.js'

const ec = newKeys()
const rsa = newKeys('RS256')

async function login(t: Test) {
  const app = await serve(t, { store: memory(t) })
  const browser = new DeviceBrowser(app)
  const { path, challenge } = offerIn(await browser.get('/login')) ?? { path: '', challenge: '' }
  return { app, browser, path, challenge }
}

/** A JWS that is not signed by a key of ours. */
function forged(header: object, payload: object, signature: string | ((signed: string) => string)): string {
  const signed = [header, payload]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${signed}.${typeof signature === 'string' ? signature : signature(signed)}`
}

const hs256 = (keys: Keys) => (signed: string) => {
  const pem = JSON.stringify(keys.jwk)
  return createHmac('sha256', pem).update(signed).digest('base64url')
}

t.test('register: proofs that are refused', async (t) => {
  const { browser, path, challenge } = await login(t)
  const typ = 'dbsc+jwt'
  const payload = { jti: challenge }
  const good = registration(challenge, ec)
  const [header = '', body = '', signature = ''] = good.split('.')
  const p384Keys = newKeys('ES256', { namedCurve: 'P-384' })
  const privateJwk = ec.privateKey.export({ format: 'jwk' })
  const small = newKeys('RS256', { modulusLength: 1_024 })
  const refused: Record<string, string | undefined> = {
    'no proof': undefined,
    empty: '',
    'no JWS': 'proof',
    'the algorithm none': forged({ alg: 'none', typ, jwk: ec.jwk }, payload, ''),
    'the algorithm none, with some signature': forged({ alg: 'none', typ, jwk: ec.jwk }, payload, 'AA'),
    'HS256 with the public key as secret': forged({ alg: 'HS256', typ, jwk: ec.jwk }, payload, hs256(ec)),
    'an algorithm that is a property of every object': forged(
      { alg: 'toString', typ, jwk: ec.jwk },
      payload,
      'AA'
    ),
    'ES256 with an RSA key': jws({ alg: 'ES256', typ, jwk: rsa.jwk }, payload, rsa),
    'RS256 with a key on a curve': jws({ alg: 'RS256', typ, jwk: ec.jwk }, payload, ec),
    'another type of token': registration(challenge, ec, { typ: 'JWT' }),
    'no type': registration(challenge, ec, { typ: undefined }),
    'no key': registration(challenge, ec, { jwk: undefined }),
    'a key that is null': registration(challenge, ec, { jwk: null }),
    'the key of somebody else': registration(challenge, ec, { jwk: newKeys().jwk }),
    'a private key': registration(challenge, ec, { jwk: privateJwk }),
    'another curve': registration(challenge, p384Keys),
    'another curve under the name of ours': registration(challenge, p384Keys, {
      jwk: { ...p384Keys.jwk, crv: 'P-256' }
    }),
    'a point that is not on the curve': registration(challenge, ec, {
      jwk: { ...ec.jwk, y: Buffer.alloc(32, 1).toString('base64url') }
    }),
    'a coordinate that is no text': registration(challenge, ec, { jwk: { ...ec.jwk, x: 7 } }),
    'a short RSA key': registration(challenge, small),
    'another RSA exponent': registration(challenge, rsa, { jwk: { ...rsa.jwk, e: 'Aw' } }),
    'no challenge': jws({ alg: 'ES256', typ, jwk: ec.jwk }, {}, ec),
    'a challenge that is no text': jws({ alg: 'ES256', typ, jwk: ec.jwk }, { jti: 7 }, ec),
    'another challenge': registration(`${challenge.slice(0, -1)}x`, ec),
    'a signature that was cut off': `${header}.${body}.${signature.slice(0, 40)}`,
    'a signature in DER': `${header}.${body}.${Buffer.alloc(70, 0x30).toString('base64url')}`,
    'a fourth part': `${good}.AA`,
    'a text in the place of the header': `${Buffer.from('"x"').toString('base64url')}.${body}.${signature}`,
    'a huge proof': registration(challenge, ec, { more: 'x'.repeat(4_096) })
  }
  for (const [what, token] of Object.entries(refused)) {
    const answer = await browser.prove(path, token)
    t.equal(answer.statusCode, 403, what)
    t.equal(answer.body, '')
    t.equal(answer.headers['set-cookie'], undefined)
  }
  t.equal((await browser.get('/who')).json().deviceBound, null)
  t.equal(
    (await browser.prove(path, `"${good}"`)).statusCode,
    200,
    'in quotes, as a structured header has it'
  )
})

t.test('register: a key of RSA', async (t) => {
  const clock = turnableClock(t)
  const app = await serve(t, { store: memory(t) })
  const browser = new DeviceBrowser(app)
  browser.keys = rsa
  await browser.signIn()
  clock.ahead += 590
  t.equal((await browser.refreshOnce()).statusCode, 200)
  t.equal((await browser.get('/who')).json().deviceBound, 'bound')
  const confused = browser.challenge ?? ''
  t.equal(
    (await browser.refreshOnce(forged({ alg: 'ES256', typ: 'dbsc+jwt' }, { jti: confused }, 'AA')))
      .statusCode,
    403
  )
})

t.test('register: only once, in time, for this session, and from its own site', async (t) => {
  const clock = turnableClock(t)
  const { app, browser, path, challenge } = await login(t)
  const other = new DeviceBrowser(app)
  const otherOffer = offerIn(await other.get('/login'))
  t.equal(
    (await browser.prove(path, registration(otherOffer?.challenge ?? '', ec))).statusCode,
    403,
    'of another session'
  )
  for (const site of ['cross-site', 'same-site', 'none', '']) {
    const answer = await browser.prove(path, registration(challenge, ec), { 'sec-fetch-site': site })
    t.equal(answer.statusCode, 403, site)
  }
  const nobody = new DeviceBrowser(app)
  t.equal((await nobody.prove(path, registration(challenge, ec))).statusCode, 401, 'without a session')
  t.equal((await browser.prove(path, registration(challenge, ec))).statusCode, 200)
  t.equal((await browser.prove(path, registration(challenge, ec))).statusCode, 403, 'the same again')
  t.equal((await browser.prove(path, registration(challenge, newKeys()))).statusCode, 403, 'a second key')
  clock.ahead += 31
  t.equal(
    (await other.prove(path, registration(otherOffer?.challenge ?? '', ec))).statusCode,
    403,
    'too late'
  )
  t.equal((await other.get('/who')).json().userId, 42)
})

t.test('register: of two keys at the same time, one is bound', async (t) => {
  const { browser, path, challenge } = await login(t)
  const keys = Array.from({ length: 8 }, () => newKeys())
  const answers = await Promise.all(keys.map((each) => browser.prove(path, registration(challenge, each))))
  const statuses = answers.map(({ statusCode }) => statusCode).sort()
  t.same(statuses, [200, ...Array(7).fill(403)])
})

t.test('register: keeps what parallel requests store', async (t) => {
  const { browser, path, challenge } = await login(t)
  const counts = Array.from({ length: 5 }, () => browser.get('/count'))
  const [registered] = await Promise.all([browser.prove(path, registration(challenge, ec)), ...counts])
  t.equal(registered?.statusCode, 200)
  t.equal((await browser.get('/who')).json().userId, 42)
  t.equal((await browser.get('/who')).json().deviceBound, 'bound')
})

t.test('refresh: proofs that are refused, with a challenge for another try', async (t) => {
  const clock = turnableClock(t)
  const app = await serve(t, { store: memory(t) })
  const browser = new DeviceBrowser(app)
  await browser.signIn()
  const { session_identifier: id = '' } = browser.instructions ?? {}
  const bound = browser.jar.get('__Host-session-bound')
  const first = browser.challenge ?? ''
  const typ = 'dbsc+jwt'
  const refused: Record<string, string | undefined> = {
    'no proof': undefined,
    'another key': proof(first, newKeys()),
    'another key, and the key with it': registration(first, newKeys()),
    'the algorithm none': forged({ alg: 'none', typ }, { jti: first }, ''),
    'another algorithm, signed by the key': proof(first, browser.keys, { alg: 'RS256' }),
    'another algorithm': forged({ alg: 'RS256', typ }, { jti: first }, 'AA'),
    'HS256 with the public key as secret': forged({ alg: 'HS256', typ }, { jti: first }, hs256(browser.keys)),
    'the bound cookie as challenge': proof(bound ?? '', browser.keys),
    'another challenge': proof(`${first}x`, browser.keys)
  }
  for (const [what, token] of Object.entries(refused)) {
    const { headers, statusCode } = await browser.prove('/.session/bound/refresh', token, {
      'sec-secure-session-id': id
    })
    t.equal(statusCode, 403, what)
    t.match(headers['secure-session-challenge'], `";id="${id}"`)
    t.equal(headers['set-cookie'], undefined)
  }
  const replayed = proof(first, browser.keys)
  t.equal((await browser.refreshOnce(replayed)).statusCode, 200)
  clock.ahead += 606
  t.equal((await browser.refreshOnce(replayed)).statusCode, 403, 'a proof that was copied, later')
  t.equal((await browser.refreshOnce()).statusCode, 200)
})

t.test('refresh: what ends the key of a browser, and what does not', async (t) => {
  const app = await serve(t, { store: memory(t) })
  const browser = new DeviceBrowser(app)
  await browser.signIn()
  const { refresh_url: url = '', session_identifier: id = '' } = browser.instructions ?? {}
  const token = proof(browser.challenge ?? '', browser.keys)
  const status = async (headers: Record<string, string>) =>
    (await browser.prove(url, token, headers)).statusCode
  t.equal(await status({}), 401, 'no id')
  t.equal(await status({ 'sec-secure-session-id': 'x' }), 401, 'another id')
  t.equal(await status({ 'sec-secure-session-id': id, 'sec-fetch-site': 'cross-site' }), 403)
  t.equal(
    await status({ 'sec-secure-session-id': `"${id}"` }),
    200,
    'in quotes, as a structured header has it'
  )
  const other = new DeviceBrowser(app)
  await other.get('/login')
  t.equal((await other.prove(url, token, { 'sec-secure-session-id': id })).statusCode, 401, 'another session')
})

t.test('refresh: without the session cookie, as after a link on another site', async (t) => {
  const redis = await startRedis(t)
  const app = await serve(t, { redis: redis.url })
  const browser = new DeviceBrowser(app)
  await browser.signIn()
  const { refresh_url: url = '', session_identifier: id = '' } = browser.instructions ?? {}
  const refresh = async (name = id, token = proof(browser.challenge ?? '', browser.keys)) =>
    (await browser.prove(url, token, { 'sec-secure-session-id': name, cookie: '' })).statusCode
  t.equal(await refresh(), 200)
  t.equal((await browser.get('/who')).json().deviceBound, 'bound')
  t.equal(await refresh(id, proof(browser.challenge ?? '', newKeys())), 403)
  t.same(
    (
      await new DeviceBrowser(app).get('/who', {
        cookie: browser.jar.header('/')?.replace(/__Host-session=[^;]*; /, '') ?? ''
      })
    ).json(),
    { userId: null, deviceBound: null },
    'a proof alone is no session'
  )
  await redis.commands()
  for (const name of ['', `${id}x`, id.slice(0, 43), `${'x'.repeat(43)}${id.slice(43)}`])
    t.equal(await refresh(name), 401, name)
  t.same(await redis.commands(), {}, 'names that are made up cost no command')
  t.equal(await refresh(), 200)
  t.same(await redis.commands(), { get: 1 })
  await browser.get('/logout')
  t.equal(await refresh(), 401)
})

t.test('the bound cookie of another session, a forged or an expired one', async (t) => {
  const clock = turnableClock(t)
  const app = await serve(t, { store: memory(t) })
  const [browser, other] = [new DeviceBrowser(app), new DeviceBrowser(app)]
  await browser.signIn()
  clock.ahead += 40
  await other.signIn()
  const session = `__Host-session=${browser.jar.get('__Host-session')}`
  const own = browser.jar.get('__Host-session-bound') ?? ''
  const [expiry = '', mac = ''] = own.split('.')
  const statusWith = async (bound: string) => {
    const cookie = `${session}; __Host-session-bound=${bound}`
    return (await new DeviceBrowser(app).get('/who', { cookie })).statusCode
  }
  t.equal(await statusWith(own), 200)
  for (const bound of [
    other.jar.get('__Host-session-bound') ?? '',
    `${(Number.parseInt(expiry, 36) + 1).toString(36)}.${mac}`,
    `${expiry}.${mac.slice(0, -1)}`,
    `${expiry}.`,
    mac,
    'true'
  ])
    t.equal(await statusWith(bound), 401, bound)
  t.equal(await statusWith(`x; __Host-session-bound=${own}`), 200, 'beside another one')
  clock.ahead += 566
  t.equal(await statusWith(own), 401)
})

t.test('tokens: no other token, purpose, session, binding, name or secret is accepted', async (t) => {
  const tokens = new Tokens('session', [SECRET])
  const [handle, binding] = ['h'.repeat(43), Buffer.from('binding')]
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 2 ** 48 }),
      fc.nat(),
      fc.nat({ max: 7 }),
      async (expiry, at, bit) => {
        const token = tokens.issue('bound-cookie', handle, expiry, binding)
        t.equal(tokens.expiryOf(token, 'bound-cookie', handle, binding), expiry)
        const bytes = Buffer.from(token)
        const place = at % bytes.length
        bytes.writeUInt8(bytes.readUInt8(place) ^ (1 << bit), place)
        t.equal(tokens.expiryOf(bytes.toString('latin1'), 'bound-cookie', handle, binding), 0)
        t.equal(tokens.expiryOf(token, 'bound-refresh', handle, binding), 0)
        t.equal(tokens.expiryOf(token, 'bound-cookie', 'i'.repeat(43), binding), 0)
        t.equal(tokens.expiryOf(token, 'bound-cookie', handle), 0)
        t.equal(new Tokens('other', [SECRET]).expiryOf(token, 'bound-cookie', handle, binding), 0)
        t.equal(new Tokens('session', [`${SECRET}.`]).expiryOf(token, 'bound-cookie', handle, binding), 0)
      }
    ),
    { numRuns: 50 }
  )
})

t.test('proofs: no flipped bit is accepted', async (t) => {
  for (const keys of [ec, rsa]) {
    const good = registration('challenge', keys)
    const parsed = openProof(good)
    const der = parsed && keyIn(parsed)
    t.ok(der && parsed && isSignedBy(der, parsed))
    await fc.assert(
      fc.property(fc.nat({ max: good.length - 1 }), fc.nat({ max: 7 }), (at, bit) => {
        const bytes = Buffer.from(good)
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at)
        const changed = openProof(bytes.toString('latin1'))
        // The last character of a signature has bits that mean nothing.
        const isSame =
          changed?.signed === parsed?.signed &&
          changed?.signature.equals(parsed?.signature ?? changed.signature)
        return changed === undefined || isSame === true || !isSignedBy(der as Buffer, changed)
      }),
      { numRuns: 300 }
    )
  }
})

t.test('a binding that somebody else has changed in the store lets nobody in', async (t) => {
  const good = openProof(proof('challenge', ec))
  for (const broken of [Buffer.alloc(0), Buffer.from('nonsense')]) {
    t.notOk(good && isSignedBy(broken, good))
    const age = Math.abs(Date.now() - boundAtIn(broken.subarray(0, 3)))
    t.ok(age > 30_000, 'it looks older than a registration under way')
  }
})

t.test(
  'bind(): not if the session has ended, has moved, cannot be read or has another binding',
  async (t) => {
    const store = memory(t)
    const app = await serve(t, { store })
    const { records } = openRecords(contextOf(app, 'session'))
    const binding = newBinding(Buffer.from('key'), Date.now())
    const end: Record<string, (browser: DeviceBrowser, key: string) => unknown> = {
      ended: (browser) => browser.get('/logout'),
      moved: (browser) => browser.get('/renew'),
      broken: async (_browser, key) => {
        const { revision } = openRecord((await store.read(key)) ?? Buffer.alloc(0))
        const broken = Buffer.concat([Buffer.from([0]), revision])
        await store.update(key, revision, Buffer.concat([broken, Buffer.alloc(32)]), Date.now() + 60_000)
      }
    }
    for (const [what, change] of Object.entries(end)) {
      const browser = new DeviceBrowser(app)
      const { id } = (await browser.get('/login')).json()
      const stored = openRecord((await records.read(id)) ?? Buffer.alloc(0))
      await change(browser, `session:${id}`)
      t.equal(await bind(records, id, stored, binding), false, what)
    }
    const { id } = (await new DeviceBrowser(app).get('/login')).json()
    const stored = openRecord((await records.read(id)) ?? Buffer.alloc(0))
    t.equal(await bind(records, id, stored, binding), true)
    t.equal(await bind(records, id, stored, binding), true, 'the answer was lost')
    t.equal(await bind(records, id, stored, newBinding(Buffer.from('other'), 1)), false)
  }
)
