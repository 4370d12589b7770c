// `audit`: which requirements of OWASP ASVS 5.0 the sessions of an application meet.
import { type AuditRow, auditSession } from '../audit/index.js'
import { openApplication } from './application.js'
import { EXIT, type ExitCode } from './io.js'
import { table } from './table.js'
import type { Terminal } from './terminal.js'

const SIGNS = {
  met: ['green', '✓'],
  'not-met': ['red', '✗'],
  application: ['dim', '·']
} as const

/** @param hold The level of ASVS to hold. */
export async function audit(terminal: Terminal, path: string, hold: 1 | 2 | 3): Promise<ExitCode> {
  const app = await openApplication(path)
  try {
    const rows = await auditSession(app)
    const isHeld = !rows.some(({ level, status }) => status === 'not-met' && level !== null && level <= hold)
    if (terminal.json) await terminal.printJson({ level: hold, held: isHeld, rows })
    else await print(terminal, rows, `level ${hold} is ${isHeld ? 'held' : 'not held'}`)
    return isHeld ? EXIT.ok : EXIT.problems
  } finally {
    await app.close()
  }
}

async function print(terminal: Terminal, rows: readonly AuditRow[], result: string): Promise<void> {
  const columns = ['', 'ASVS', 'level', 'requirement', 'by'].map((head) => ({ head }))
  for (const decorator of new Set(rows.map((row) => row.decorator))) {
    const own = rows.filter((row) => row.decorator === decorator)
    const cells = own.map(({ by, id, level, requirement, status }) => {
      const [style, sign] = SIGNS[status]
      return [terminal.paint(style, sign), id, String(level ?? ''), requirement, by]
    })
    await terminal.print(`${terminal.paint('bold', decorator)}\n${table(columns, cells)}\n`)
  }
  const asked = rows.filter(({ level }) => level !== null)
  const count = (status: AuditRow['status']) => asked.filter((row) => row.status === status).length
  const counts = `${count('met')} met, ${count('not-met')} not met, ${count('application')} for the application`
  await terminal.print(`${result}: ${counts}`)
}
