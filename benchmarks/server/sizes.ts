// The size of a session: bytes in Redis, or bytes of the heap if sessions are in the process.
import type { Redis } from 'ioredis'
import type { Context } from '../part.js'
import type { Column, Row, Table } from '../results.js'
import { median } from '../statistics.js'
import type { Kind } from './contents.js'
import type { SubjectProcess } from './processes.js'
import { isAsked, withStage } from './stage.js'
import { SUBJECTS, type Subject } from './subjects.js'

const KINDS: readonly Kind[] = ['login', 'cart', 'large']
const IN_REDIS = 50
const IN_MEMORY = 2_000
/** Number of sign-ins before the heap is measured, so that code is compiled and caches are full. */
const BEFORE = 500

export async function measureSizes({ options, progress, redis, redisPort }: Context): Promise<Table[]> {
  const chosen = SUBJECTS.filter((subject) => subject.keeps !== 'nothing' && isAsked(subject, options))
  progress.begin('bytes', chosen.length)
  const inRedis: Row[] = []
  const inMemory: Row[] = []
  for (const subject of chosen) {
    if (subject.keeps === 'redis') inRedis.push(...(await sizesInRedis(subject, redis, redisPort)))
    else inMemory.push(...(await sizesInMemory(subject, redisPort)))
    progress.step(subject.name)
  }
  return [
    { name: 'redis bytes', title: 'Bytes of a session in Redis', columns: REDIS_COLUMNS, rows: inRedis },
    {
      name: 'heap bytes',
      title: 'Bytes of a session in the process',
      columns: HEAP_COLUMNS,
      rows: inMemory
    }
  ]
}

const REDIS_COLUMNS: readonly Column[] = [
  { key: 'session', title: 'session', role: 'name' },
  { key: 'subject', title: 'subject', role: 'name' },
  { key: 'value', title: 'value (STRLEN)', role: 'cost', digits: 0 },
  { key: 'memory', title: 'all of it (MEMORY USAGE)', role: 'cost', digits: 0 }
]

const HEAP_COLUMNS: readonly Column[] = [
  { key: 'session', title: 'session', role: 'name' },
  { key: 'subject', title: 'subject', role: 'name' },
  { key: 'memory', title: 'heap and buffers', role: 'cost', digits: 0 }
]

/** Measures each kind with an empty database. */
function sizesInRedis(subject: Subject, redis: Redis, redisPort: number): Promise<Row[]> {
  return withStage([subject], redisPort, async ({ subjects: [server] }) => {
    const rows: Row[] = []
    for (const session of KINDS) {
      const { db } = server as SubjectProcess
      const client = redis.duplicate({ db })
      await client.flushdb()
      await signIn(server as SubjectProcess, session, 1, IN_REDIS)
      const keys = await client.keys('*')
      if (keys.length !== IN_REDIS)
        throw new Error(`${subject.name} made ${keys.length} records of ${IN_REDIS}`)
      const values = await Promise.all(keys.map((key) => valueBytes(client, key)))
      const memory = await Promise.all(keys.map((key) => client.memory('USAGE', key)))
      await client.flushdb()
      client.disconnect()
      rows.push({ session, subject: subject.name, value: median(values), memory: median(memory.map(Number)) })
    }
    return rows
  })
}

/** The length of a string, or the total length of a hash's fields and values. */
async function valueBytes(client: Redis, key: string): Promise<number> {
  if ((await client.type(key)) === 'string') return client.strlen(key)
  return Object.entries(await client.hgetall(key)).reduce(
    (sum, [field, value]) => sum + Buffer.byteLength(field) + Buffer.byteLength(value),
    0
  )
}

function sizesInMemory(subject: Subject, redisPort: number): Promise<Row[]> {
  return withStage([subject], redisPort, async ({ subjects: [server] }) => {
    const { heap } = server as SubjectProcess
    const rows: Row[] = []
    for (const session of KINDS) {
      await signIn(server as SubjectProcess, session, 1, BEFORE)
      const before = await heap()
      await signIn(server as SubjectProcess, session, BEFORE + 1, IN_MEMORY)
      rows.push({ session, subject: subject.name, memory: ((await heap()) - before) / IN_MEMORY })
    }
    return rows
  })
}

async function signIn({ port }: SubjectProcess, kind: Kind, first: number, count: number): Promise<void> {
  for (let user = first; user < first + count; user++) {
    const response = await fetch(`http://127.0.0.1:${port}/begin?kind=${kind}&user=${user}`, {
      method: 'POST'
    })
    await response.text()
    if (!response.ok) throw new Error(`the answer to the sign-in was ${response.status}`)
  }
}
