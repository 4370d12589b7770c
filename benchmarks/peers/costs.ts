// The rows of the comparison that come from the last results of the benchmarks.
import { readFileSync } from 'node:fs'
import type { SubjectName } from '../server/subjects.js'

/** The subjects in the columns of the table. */
const SUBJECTS: readonly SubjectName[] = [
  'msgpack',
  '@fastify/session, connect-redis, best',
  '@mgcrea/fastify-session',
  'express-session, connect-redis'
]

interface Row {
  subject: string
  scenario: string
  connections: number
  ratio: number
}

export function costRows(results: string): string[][] {
  const { server, peers } = JSON.parse(readFileSync(results, 'utf8')).parts
  const rows: Row[] = [...server[0].rows, ...peers[0].rows]
  return ['read', 'write'].map((scenario) => [
    `CPU of a ${scenario}, relative to a session written by hand`,
    ...SUBJECTS.map((subject) => {
      const row = rows.find(
        (each) => each.subject === subject && each.scenario === scenario && each.connections === 50
      )
      return row?.ratio.toFixed(2) ?? 'not measured'
    })
  ])
}
