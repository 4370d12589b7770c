// One person, an old application and ours, with one cookie jar: signed in there, adopted here, rolled back, forward again,
// signed out.
import type { Test } from 'tap'
import type { Adopter } from '../../lib/adopt/index.js'
import { Jar } from '../../lib/testing/jar.js'
import type { RedisServer } from '../support/redis-server.js'
import { createNewApp } from './old-application.js'
import { dataOf, urlOf } from './real-applications.js'

/** Signatures differ in the length of their padding and in characters, so one id is not enough. */
const FURTHER_IDS = 5

type Answer = { name?: string | null; permanent?: boolean }

/** A browser that visits several applications of one host. */
class Visitor {
  readonly jar: Jar

  constructor(jar: Jar) {
    this.jar = jar
  }

  async get(url: string): Promise<Answer> {
    const cookie = this.jar.header(new URL(url).pathname)
    const answer = await fetch(url, { headers: cookie === undefined ? {} : { cookie } })
    this.jar.keep(answer.headers.getSetCookie())
    return answer.json() as Promise<object>
  }
}

/** @param old The URL of the old application. */
export async function tellStory(
  t: Test,
  redis: RedisServer,
  old: string,
  adopter: Adopter,
  isPermanent: boolean
): Promise<void> {
  const app = await createNewApp(t, { redis: redis.url, prefix: 'ours:', adopt: [adopter] })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const ours = urlOf(app.server.address())
  await redis.client.flushall()
  const visitor = new Visitor(new Jar())
  const write = async (step: string, answer: Answer) =>
    t.comment(await line(step, answer, visitor.jar, redis))
  const visit = async (step: string, url: string) => {
    const answer = await visitor.get(url)
    await write(`${step}: GET ${new URL(url).pathname} (${url.startsWith(old) ? 'old' : 'new'})`, answer)
    return answer
  }
  await visit('signed in', `${old}/in/Ada`)
  const oldCookies = visitor.jar.copy()

  await redis.commands()
  for (const jar of tampered(adopter, oldCookies)) {
    t.equal((await new Visitor(jar).get(`${ours}/who`)).name, null, 'a cookie that was tampered with')
  }
  t.same(await redis.commands(), {}, 'it costs no command')

  const parallel = [visitor, new Visitor(oldCookies.copy())]
  const [data = {}, other] = await Promise.all(parallel.map((each) => each.get(`${ours}/look`)))
  await write('adopted: twice at once, GET /look (new)', data)
  t.same(data, dataOf('Ada'), 'adopted, without what the library keeps for itself')
  t.same(other, data)
  const [one, two] = parallel.map(({ jar }) => jar.get('__Host-session'))
  t.match(one, /./)
  t.equal(one, two, 'one session for two parallel requests')
  t.equal((await visitor.get(`${ours}/who`)).permanent, isPermanent)

  t.equal((await visit('rolled back', `${old}/who`)).name, 'Ada', 'rolled back')
  await visit('signed in again', `${old}/in/Ada`)
  t.equal((await visit('forward again', `${ours}/who`)).name, 'Ada', 'forward again')
  await visit('signed out', `${ours}/sign-out`)
  t.equal((await visit('gone here', `${ours}/who`)).name, null, 'signed out here')
  t.equal((await visit('gone there', `${old}/who`)).name, null, 'signed out there')
  const thief = new Visitor(oldCookies)
  t.equal((await thief.get(`${ours}/who`)).name, null, 'the old cookies lead nowhere')
  t.equal((await thief.get(`${old}/who`)).name, null)
  for (let n = 0; n < FURTHER_IDS; n++) {
    const another = new Visitor(new Jar())
    await another.get(`${old}/in/Grace${n}`)
    t.equal((await another.get(`${ours}/who`)).name, `Grace${n}`, 'another id')
  }
}

/** Jars in which one character of one cookie of the library has changed. */
function* tampered({ cookie: { name, also = [] } }: Adopter, jar: Jar): Generator<Jar> {
  for (const changed of [name, ...also]) {
    const value = jar.get(changed) ?? ''
    const middle = Math.floor(value.length / 2)
    // Another id is as good as this one if nothing signs it. A shorter one is not.
    const isSigned = also.length > 0 || value.includes('.')
    const other = value[middle] === 'A' ? 'B' : 'A'
    const spoilt = value.slice(0, middle) + (isSigned ? other : '') + value.slice(middle + 1)
    yield jar.copy().keep([`${changed}=${spoilt}`])
  }
}

/** A line of the transcript, with the first characters of cookies and keys. */
async function line(step: string, answer: Answer, jar: Jar, { client }: RedisServer): Promise<string> {
  const cookies = jar.header('/')?.replace(/=([^;]{6})[^;]*/g, '=$1…') ?? 'none'
  const keys = (await client.keys('*')).sort().map((key) => key.replace(/([^:]{6})[^:]*$/, '$1…'))
  return `${step}: ${JSON.stringify(answer)} | cookies ${cookies} | keys ${keys.join(', ')}`
}
