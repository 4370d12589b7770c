// Keys: what the option accepts, and what it says of what it does not. A key service, and what happens while it is down.
import t from 'tap'
import { KeyService } from '../../lib/encryption/key-service.js'
import { KeyList } from '../../lib/encryption/keys.js'
import type { EncryptionKey, EncryptionOptions, RedisSessionOptions } from '../../lib/index.js'
import { createApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { gate } from '../support/gate.js'
import { memory } from '../support/memory.js'
import { key } from './stage.js'

const LONG = 60_000

t.test('keys are bytes, base64 or base64url', (t) => {
  const bytes = Buffer.alloc(32, 0xfb)
  const id = new KeyList([bytes]).newest().id
  for (const same of [new Uint8Array(bytes), bytes.toString('base64'), bytes.toString('base64url')]) {
    t.ok(new KeyList([same]).newest().id.equals(id))
  }
  t.notOk(new KeyList([key(1)]).newest().id.equals(id))
  const twice = new KeyList([key(1), key(1), key(2)])
  t.equal(
    twice.find(new KeyList([key(2)]).newest().id)?.id.toString('hex'),
    new KeyList([key(2)]).newest().id.toString('hex')
  )
  t.end()
})

t.test('an option that cannot be used stops the start, and no message shows a key', async (t) => {
  const short = 'c2VjcmV0LXNlY3JldA=='
  const refused: [unknown, string][] = [
    [null, 'encryption: must be an object: { keys: [newest, ...older] }'],
    [true, 'encryption: must be an object'],
    [{}, 'encryption.keys: must be a list of keys'],
    [{ keys: 'x'.repeat(43) }, 'encryption.keys: must be a list of keys'],
    [{ keys: [] }, 'encryption.keys: must not be an empty list'],
    [{ keys: [key(1), short] }, 'encryption.keys[1]: has 13 bytes: use 32 random bytes'],
    [{ keys: [Buffer.alloc(64)] }, 'encryption.keys[0]: has 64 bytes'],
    [{ keys: [undefined] }, 'encryption.keys[0]: is undefined: its environment variable is probably not set'],
    [{ keys: ['no base64!'] }, 'encryption.keys[0]: is neither bytes nor base64'],
    [{ keys: [42] }, 'encryption.keys[0]: is neither bytes nor base64'],
    [{ keys: async () => [key(1), short] }, 'encryption.keys[1]: has 13 bytes'],
    [{ keys: async () => 'secret' }, 'encryption.keys: must be a list of keys'],
    [{ keys: [key(1)], requierd: true }, 'encryption.requierd: is not one of keys, required, seal'],
    [{ keys: [key(1)], required: 1 }, 'encryption.required: must be true or false'],
    [{ keys: [key(1)], seal: 'yes' }, 'encryption.seal: must be true or false'],
    [{ keys: [key(1)], required: true, seal: false }, 'encryption.required: excludes seal: false']
  ]
  for (const [encryption, message] of refused) {
    const app = createApp(t, { store: memory(t), encryption: encryption as EncryptionOptions })
    const error = await app.then(
      () => undefined,
      (error: Error & { code: string }) => error
    )
    t.equal(error?.code, 'FST_SESSION_OPTION', message)
    t.ok(error?.message.startsWith(`option ${message}`), message)
    t.notMatch(error?.message, /c2VjcmV0|no base64|42|xxx/)
  }
})

/** A key service whose answers the test chooses, and which may be asked again as soon as `later()` says so. */
function keyService(timeout = LONG) {
  const limits = { timeout, pause: LONG }
  let asked = 0
  let answer: () => unknown = () => [key(1)]
  const service = new KeyService(async () => {
    asked++
    return (await answer()) as readonly EncryptionKey[]
  }, limits)
  return {
    service,
    /** The pause has passed. */
    async later<Result>(work: () => Result): Promise<Awaited<Result>> {
      limits.pause = 0
      try {
        return await work()
      } finally {
        limits.pause = LONG
      }
    },
    get asked() {
      return asked
    },
    answers(next: () => unknown) {
      answer = next
    }
  }
}

const idOf = (number: number) => new KeyList([key(number)]).newest().id

t.test(
  'key service: asked again for an unknown key, once for all requests, and not again at once',
  async (t) => {
    const keys = keyService()
    await keys.service.ask()
    t.equal((await keys.service.newest()).id.toString('hex'), idOf(1).toString('hex'))
    t.equal(keys.asked, 1)
    keys.answers(() => [key(2), key(1)])
    await t.rejects(
      async () => keys.service.find(idOf(2)),
      { code: 'FST_SESSION_UNAVAILABLE', statusCode: 503 },
      'too soon'
    )
    const found = await keys.later(() =>
      Promise.all(Array.from({ length: 50 }, () => keys.service.find(idOf(2))))
    )
    t.ok(found.every((each) => each?.id.equals(idOf(2))))
    t.equal(keys.asked, 2)
    t.ok((await keys.service.newest()).id.equals(idOf(2)), 'this process now seals by it, too')
    const [one, other] = await keys.later(() =>
      Promise.allSettled([keys.service.find(idOf(8)), keys.service.find(idOf(9))])
    )
    t.match(one, { status: 'fulfilled', value: undefined }, 'asked for it, and it is not there')
    t.match(
      other,
      { status: 'rejected', reason: { code: 'FST_SESSION_UNAVAILABLE' } },
      'not asked for this one'
    )
    t.equal(await keys.service.find(idOf(8)), undefined)
    t.equal(keys.asked, 3)
    t.equal(await keys.later(() => keys.service.find(idOf(8))), undefined)
    t.equal(keys.asked, 4, 'somebody may have added it since')
  }
)

t.test('key service: while it is down, known keys work, and unknown ones are a 503', async (t) => {
  const keys = keyService()
  await keys.service.ask()
  keys.answers(() => {
    throw Object.assign(new Error('the key is c2VjcmV0'), { code: 'ECONNREFUSED' })
  })
  await t.rejects(
    keys.later(() => keys.service.find(idOf(2))),
    {
      code: 'FST_SESSION_UNAVAILABLE',
      message: /encryption\.keys failed with ECONNREFUSED; nothing was stored/
    }
  )
  t.ok(keys.service.find(idOf(1)))
  keys.answers(() => [Buffer.alloc(3)])
  await t.rejects(
    keys.later(() => keys.service.find(idOf(2))),
    {
      code: 'FST_SESSION_UNAVAILABLE',
      message: /encryption\.keys failed with option encryption\.keys\[0\]: has 3 bytes/
    }
  )
  t.ok((await keys.service.newest()).id.equals(idOf(1)), 'a bad answer replaces nothing')
  for (const reason of [undefined, new TypeError('c2VjcmV0')]) {
    keys.answers(() => Promise.reject(reason))
    await t.rejects(
      keys.later(() => keys.service.find(idOf(2))),
      { message: /failed with (no reason|TypeError);/ }
    )
  }
})

t.test('key service: one that never answers is given up', async (t) => {
  const keys = keyService(20)
  keys.answers(() => new Promise(() => {}))
  await t.rejects(keys.service.ask(), { code: 'FST_SESSION_UNAVAILABLE', message: /no answer within 20 ms/ })
  keys.answers(() => [key(1)])
  await t.rejects(
    async () => keys.service.newest(),
    { code: 'FST_SESSION_UNAVAILABLE' },
    'asked a moment ago'
  )
  t.ok((await keys.later(() => keys.service.newest())).id.equals(idOf(1)))
})

t.test('startUp: what a start does while the key service is down', async (t) => {
  const down = async () => {
    throw new Error('down')
  }
  const start = (options: Partial<RedisSessionOptions>, keys: EncryptionOptions['keys']) =>
    createApp(t, { store: memory(t), encryption: { keys }, ...options })
  await t.rejects(start({ startUp: 'fail' }, down), {
    code: 'FST_SESSION_UNAVAILABLE',
    message: /encryption\.keys/
  })

  const going = await start({ startUp: 'go' }, down)
  t.match(going.logLines, [
    { level: 50, msg: /^sessions cannot be stored: .*encryption\.keys failed with Error;/ }
  ])
  going.get('/', async ({ session }) => session.set('count', 1))
  t.equal((await going.inject('/')).statusCode, 503, 'nothing is stored in the clear')

  const opened = gate()
  let asked = 0
  const waiting = start({ startUp: 'wait' }, async () => {
    if (++asked === 1) await down()
    await opened.passed
    return [key(1)]
  })
  opened.open()
  const app = await waiting
  t.equal(asked, 2)
  app.get('/', async ({ session }) => session.set('count', 1))
  t.equal((await app.inject('/')).statusCode, 200)
})

t.test('key service: its failures do not open the circuit breaker', async (t) => {
  const options = { store: memory(t), secret: 's'.repeat(32), circuitBreaker: { failures: 1 } }
  const other = await createApp(t, { ...options, encryption: { keys: [key(2)] } })
  let isDown = false
  const keys = async () => {
    if (isDown) throw new Error('down')
    return [key(1)]
  }
  const app = await createApp(t, { ...options, encryption: { keys } })
  for (const each of [app, other]) {
    each.get('/count', async ({ session }) => {
      session.count = (session.count ?? 0) + 1
      return { count: session.count }
    })
  }
  const [known, unknown] = [new Browser(app), new Browser(other)]
  await known.request('/count')
  await unknown.request('/count')
  isDown = true
  unknown.visit(app)
  for (let count = 2; count < 5; count++) {
    t.equal((await unknown.request('/count')).statusCode, 503)
    t.same((await known.request('/count')).json(), { count })
  }
})
