// What each adopter accepts and reads: cookies and records exactly as the real libraries wrote them.
import { createHmac } from 'node:crypto'
import t from 'tap'
import {
  type Adopter,
  expressSession,
  fastifySession,
  flaskSession,
  koaGenericSession,
  koaSession,
  mgcreaSession
} from '../../lib/adopt/index.js'
import fc from '../support/properties.js'

const secret = 'a secret with at least thirty-two characters'
const data = { user: { id: 7 }, views: 1 }

interface Vector {
  adopter: Adopter
  /** The Cookie header as a browser sends it. */
  cookies: Record<string, string>
  id: string
  key: string
  /** The string, or the fields of a hash. */
  record: (string | Buffer)[]
  session: { data: object; permanent?: boolean; expiresAt?: number | undefined }
}

const FASTIFY_COOKIE =
  '"originalMaxAge":null,"sameSite":null,"secure":true,"path":"/","httpOnly":true,"domain":null}'
const msgpack = Buffer.from('83aa5f7065726d616e656e74c3a47573657281a2696407a5766965777301', 'hex')
const flaskId = 'vQOExq_tcwCwgCbwM8V9emUFQXAZ9cvIgc9VDkj_gug'

const vectors: Record<string, Vector> = {
  '@fastify/session': {
    adopter: fastifySession({ secret }),
    cookies: { sessionId: 'KsgYDXDeoMoK-5oPeIAD7TLaJnHxy1em.KLIO33WRapBc2FWaKHuSANL3wWd8YVdU8oSmeWirskY' },
    id: 'KsgYDXDeoMoK-5oPeIAD7TLaJnHxy1em',
    key: 'sess:KsgYDXDeoMoK-5oPeIAD7TLaJnHxy1em',
    record: [`{"cookie":{"expires":null,${FASTIFY_COOKIE},"user":{"id":7},"views":1}`],
    session: { data }
  },
  '@fastify/session with maxAge, a plain store and cookies of Express': {
    adopter: fastifySession({ secret, prefix: '', cookieName: 'connect.sid', cookiePrefix: 's:' }),
    cookies: {
      'connect.sid': 's:TEZPWOct_Gvm-IGbxeTW0btBTkgaPLNz.79reYPCFZbdUIoeFOlqJYLGlUM7Lc8EgYQjacw4Zxr4'
    },
    id: 'TEZPWOct_Gvm-IGbxeTW0btBTkgaPLNz',
    key: 'TEZPWOct_Gvm-IGbxeTW0btBTkgaPLNz',
    record: [
      `{"cookie":{"expires":"2026-11-27T05:57:11.826Z",${FASTIFY_COOKIE.replace('null', '3600000')},"user":{"id":7},"views":1,"sessionId":"x","encryptedSessionId":"x"}`
    ],
    session: { data, permanent: true, expiresAt: Date.UTC(2026, 10, 27, 5, 57, 11, 826) }
  },
  'express-session': {
    adopter: expressSession({ secret: ['a newer secret', secret] }),
    cookies: {
      'connect.sid': 's%3AlFynSX8TyN2QfLQpUOR0Bs8mUTU2YBKT.z0SyU8O35y4huWOJBytxwjDMXROXUZHjtAgWugcxOM8'
    },
    id: 'lFynSX8TyN2QfLQpUOR0Bs8mUTU2YBKT',
    key: 'sess:lFynSX8TyN2QfLQpUOR0Bs8mUTU2YBKT',
    record: [
      '{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"user":{"id":7},"views":1}'
    ],
    session: { data }
  },
  '@mgcrea/fastify-session': {
    adopter: mgcreaSession({ secret }),
    cookies: {
      Session: 'VmxIMFYtYUgzeHR4OEhnRVhRZi12.cCIaswpxyPgZqy84PzfVlZsTDf8iJqYOTKA8xBRZFpU'
    },
    id: 'VlH0V-aH3xtx8HgEXQf-v',
    key: 'sess:VlH0V-aH3xtx8HgEXQf-v',
    record: ['{"user":{"id":7},"views":1}', ''],
    session: { data }
  },
  'koa-session': {
    adopter: koaSession({ secret }),
    cookies: {
      'koa.sess': '83419fcc-beda-48ce-bc15-09f85103db63',
      'koa.sess.sig': 'jwKXKRG951wlQMf1z_coHJgDEaA'
    },
    id: '83419fcc-beda-48ce-bc15-09f85103db63',
    key: '83419fcc-beda-48ce-bc15-09f85103db63',
    record: ['{"user":{"id":7},"views":1,"_expire":1795841835535,"_maxAge":86400000}'],
    session: { data, permanent: true, expiresAt: 1795841835535 }
  },
  'koa-generic-session': {
    adopter: koaGenericSession({ secret }),
    cookies: { 'koa.sid': 'an-id', 'koa.sid.sig': 'ob4a6QEeRmLallt3Ksv5F3WRhAc' },
    id: 'an-id',
    key: 'koa:sess:an-id',
    record: [
      '{"cookie":{"httpOnly":true,"path":"/","overwrite":true,"signed":true,"maxAge":86400000},"user":{"id":7},"views":1}'
    ],
    session: { data, permanent: true }
  },
  'Flask-Session, signed, msgpack': {
    adopter: flaskSession({ secret }),
    cookies: { session: `${flaskId}.mq65zQ93E7GrlgpOluMOLAF2DQI` },
    id: flaskId,
    key: `session:${flaskId}`,
    record: [msgpack],
    session: { data, permanent: true }
  },
  'Flask-Session, unsigned, JSON': {
    adopter: flaskSession({ unsigned: true }),
    cookies: { session: '-KIBlHnRgl2jfQIK8sfgfpLOZ5no_orEfJ_bC480xfI' },
    id: '-KIBlHnRgl2jfQIK8sfgfpLOZ5no_orEfJ_bC480xfI',
    key: 'session:-KIBlHnRgl2jfQIK8sfgfpLOZ5no_orEfJ_bC480xfI',
    record: ['{"_permanent":true,"user":{"id":7},"views":1}'],
    session: { data, permanent: true }
  }
}

/** The id that the adopter finds in these cookies. */
function verify({ cookie, verify }: Adopter, cookies: Record<string, string>): string | undefined {
  return verify(cookies[cookie.name] ?? '', (name) => (cookies[name] === undefined ? [] : [cookies[name]]))
}

for (const [name, { adopter, cookies, id, key, record, session }] of Object.entries(vectors)) {
  t.test(`${name}: its cookie verifies, and its record is read`, (t) => {
    t.equal(verify(adopter, cookies), id)
    t.equal(adopter.keyOf(id), key)
    const [value, ...more] = record.map((each) => Buffer.from(each as string))
    t.match(adopter.decode(value as Buffer, ...more), session)
    t.same(adopter.decode(value as Buffer, ...more).data, session.data, 'without what it keeps for itself')
    t.equal(adopter.decode(value as Buffer, ...more).permanent ?? false, session.permanent ?? false)
    t.end()
  })

  if (name.includes('unsigned')) continue
  t.test(`${name}: a changed, shortened or extended cookie does not verify`, (t) => {
    const [changed = ''] = Object.keys(cookies).slice(-1)
    const value = cookies[changed] ?? ''
    const refuse = (other: string): void => {
      let found: string | undefined
      try {
        found = verify(adopter, { ...cookies, [changed]: other })
      } catch {}
      if (found !== undefined) throw new Error(`accepted: ${other}`)
    }
    fc.assert(
      fc.property(fc.nat(value.length - 1), fc.integer({ min: 1, max: 127 }), (at, flip) => {
        const code = value.charCodeAt(at) ^ flip
        // Express decodes the cookie: another spelling of the same character is the same cookie.
        fc.pre(code !== 37)
        refuse(value.slice(0, at) + String.fromCharCode(code) + value.slice(at + 1))
      }),
      { numRuns: 500 }
    )
    for (let length = 0; length < value.length; length++) refuse(value.slice(0, length))
    for (const more of ['=', ' ', 'A', '.', `.${value}`]) refuse(value + more)
    const { cookie } = adopter
    t.equal(verify({ ...adopter, cookie: { ...cookie, name: 'another' } }, cookies), undefined)
    t.end()
  })
}

t.test('keygrip: the signature names the cookie', (t) => {
  const sig = createHmac('sha1', secret).update('koa.sid=an-id').digest('base64url')
  t.equal(sig, vectors['koa-generic-session']?.cookies['koa.sid.sig'])
  const other = koaGenericSession({ secret, cookieName: 'other' })
  t.equal(verify(other, { other: 'an-id', 'other.sig': sig }), undefined)
  t.same(other.cookie, { name: 'other', also: ['other.sig'] })
  t.end()
})

t.test('@mgcrea/fastify-session: the option key, the expiry, and a secret beyond ASCII', (t) => {
  const id = 'VlH0V-aH3xtx8HgEXQf-v'
  const encoded = Buffer.from(id).toString('base64')
  const cookieOf = (key: Buffer) => {
    const signature = createHmac('sha256', key).update(id).digest('base64').replace(/=+$/, '')
    return { Session: `${encoded}.${signature}` }
  }
  const key = Buffer.alloc(32, 7)
  t.equal(verify(mgcreaSession({ secret: key }), cookieOf(key)), id)
  const latin = 'a secret with ä, é and ü in its characters'
  t.equal(verify(mgcreaSession({ secret: latin }), cookieOf(Buffer.from(latin, 'ascii'))), id)
  const { Session } = cookieOf(key)
  t.equal(verify(mgcreaSession({ secret: key }), { Session: encodeURIComponent(Session) }), id)
  t.equal(verify(mgcreaSession({ secret: key }), { Session: `${encoded}.` }), undefined)
  const { decode, fields } = mgcreaSession({ secret })
  t.same(fields, ['data', 'expiry'])
  t.same(decode(Buffer.from('{"a":1}'), Buffer.from('1795759033691')), {
    data: { a: 1 },
    permanent: true,
    expiresAt: 1_795_759_033_691
  })
  t.end()
})

t.test('koa-session: a session of the browser window is not permanent', (t) => {
  const { decode } = koaSession({ secret })
  t.same(decode(Buffer.from('{"a":1,"_session":true}')), {
    data: { a: 1 },
    permanent: false,
    expiresAt: undefined
  })
  t.equal(
    koaGenericSession({ secret }).decode(Buffer.from('{"cookie":{"maxAge":null},"a":1}')).permanent,
    false
  )
  t.end()
})

t.test('Flask-Session: what Python writes as a map, a long number or bytes', (t) => {
  const { decode } = flaskSession({ secret })
  // {'n': 1795841835535, 'big': 2**63, 'list': [{'a': 1}], 'b': b'\x01'}
  const bytes = Buffer.from(
    '84a16ecf000001a220 4f2b8fa3626967cf8000000000000000a46c69737491 81a16101a162c40101'.replaceAll(' ', ''),
    'hex'
  )
  const { data } = decode(bytes)
  t.equal(data.n, Number(0x1a2204f2b8fn))
  t.equal(data.big, 2n ** 63n)
  t.same(data.list, [{ a: 1 }])
  t.same(data.b, Buffer.from([1]))
  t.throws(() => decode(Buffer.from('810102', 'hex')), 'a key that is no string')
  t.throws(() => decode(Buffer.from('9101', 'hex')), 'a list')
  t.throws(() => decode(Buffer.from('[1]')), 'JSON without an object')
  t.throws(() => expressSession({ secret }).decode(Buffer.from('[1]')))
  t.end()
})

t.test('Flask-Session: only ids of 256 bits or more are accepted without a signature', (t) => {
  const adopter = flaskSession({ unsigned: true })
  for (const session of [
    '',
    'x'.repeat(42),
    'x'.repeat(129),
    `${'x'.repeat(42)}:`,
    `${'x'.repeat(43)}.sig`
  ]) {
    t.equal(verify(adopter, { session }), undefined, session)
  }
  t.equal(verify(flaskSession({ secret }), { session: 'x'.repeat(43) }), undefined, 'a signature is expected')
  t.end()
})

t.test('adopters: options that cannot be used are refused by name', (t) => {
  const refused: [() => unknown, string][] = [
    [() => fastifySession(undefined as never), 'adopt.@fastify/session: needs an object'],
    [() => fastifySession({} as never), 'adopt.@fastify/session.secret: must be the secret'],
    [() => fastifySession({ secret: '' }), 'adopt.@fastify/session.secret: must be the secret'],
    [() => fastifySession({ secret: [] }), 'adopt.@fastify/session.secret: must be the secret'],
    [() => expressSession({ secret: [secret, undefined as never] }), 'adopt.express-session.secret: must'],
    [
      () => expressSession({ secret, cookiePrefix: '' } as never),
      'adopt.express-session.cookiePrefix: is not'
    ],
    [() => fastifySession({ secret, cookiePrefix: 5 as never }), 'adopt.@fastify/session.cookiePrefix: must'],
    [() => koaSession({ secret, name: 'x' } as never), 'adopt.koa-session.name: is not one of prefix, '],
    [() => koaSession({ secret, prefix: 5 as never }), 'adopt.koa-session.prefix: must be a string'],
    [() => flaskSession({ unsigned: false as true }), 'adopt.flask-session.unsigned: must be true'],
    [() => flaskSession({ unsigned: true, secret }), 'adopt.flask-session.unsigned: must be true']
  ]
  for (const [make, message] of refused) {
    t.throws(make, { code: 'FST_SESSION_OPTION', message: `option ${message}` })
  }
  t.same(fastifySession({ secret, cookieDomain: 'example.org', cookiePath: '/app', keepOld: 5 }).cookie, {
    name: 'sessionId',
    domain: 'example.org',
    path: '/app'
  })
  t.end()
})
