// `end`: ends one session, all of a user, or all. As `app.sessions` does, so that requests, live connections and the
// index of users learn of it.
import { UndecodableError } from '../errors.js'
import { MAX_CLOCK_SKEW } from '../plugin/start-up.js'
import { reasonOf } from '../records/tombstone.js'
import { type Entry, pagesOf } from './entries.js'
import { count } from './format.js'
import { EXIT, type ExitCode, UsageError } from './io.js'
import { withProgress } from './progress.js'
import type { Target } from './target.js'
import type { Terminal } from './terminal.js'
import { noIndex } from './user.js'

export interface EndOptions {
  user?: string
  all?: true
  reason: string
  yes?: true
}

export async function end(
  target: Target,
  terminal: Terminal,
  handle: string | undefined,
  options: EndOptions
): Promise<ExitCode> {
  const { all, user, yes } = options
  if ([handle, user, all].filter((given) => given !== undefined).length !== 1) {
    throw new UsageError('say what to end: the handle of a session, --user or --all')
  }
  if (!(await terminal.confirm(questionOf(target, handle, user), yes))) {
    terminal.note('nothing was ended')
    return EXIT.problems
  }
  const ended = await endThese(target, terminal, handle, options)
  if (terminal.json) await terminal.printJson({ ended })
  else await terminal.print(`${count(ended)} ${ended === 1 ? 'session has' : 'sessions have'} ended`)
  if (ended > 0 || all) return EXIT.ok
  terminal.note(user === undefined ? 'no session has this handle: it has ended before' : noIndex(target))
  return EXIT.problems
}

function questionOf(
  { address, context }: Target,
  handle: string | undefined,
  user: string | undefined
): string {
  if (handle !== undefined) return 'End this session?'
  if (user !== undefined) return 'End all sessions of this user?'
  return `End every session under ${context.prefix} at ${address}?`
}

async function endThese(
  target: Target,
  terminal: Terminal,
  handle: string | undefined,
  { reason, user }: EndOptions
): Promise<number> {
  const { sessions } = target
  if (handle !== undefined) return Number(await sessions.end(handle, { reason }))
  if (user !== undefined) return sessions.endAllOf(user, { reason })
  return endAll(target, terminal, reason)
}

// A session that gets a new id meanwhile may be where SCAN has been. So it follows those that have moved, and looks again
// until nothing is left that began before the first pass was over. Those that begin later stay.
async function endAll(target: Target, terminal: Terminal, reason: string): Promise<number> {
  let [total, begunBefore] = [0, Number.POSITIVE_INFINITY]
  for (let ended = 1; ended > 0; begunBefore = Math.min(begunBefore, Date.now() + MAX_CLOCK_SKEW)) {
    ended = await withProgress(terminal, target, 'ending', (done) =>
      endPass(target, reason, begunBefore, done)
    )
    total += ended
  }
  return total
}

async function endPass(
  target: Target,
  reason: string,
  begunBefore: number,
  done: (count: number) => void
): Promise<number> {
  let ended = 0
  for await (const page of pagesOf(target)) {
    const due = page.filter((entry) => mayLive(entry) && createdAt(entry) < begunBefore)
    const outcomes = await Promise.all(due.map(({ handle }) => endOne(target, handle, reason)))
    ended += outcomes.filter(Boolean).length
    done(page.length)
  }
  return ended
}

// Without the key, a sealed tombstone says nothing. A pass finds the session that it leads to all the same.
async function endOne({ sessions }: Target, handle: string, reason: string): Promise<boolean> {
  return sessions.end(handle, { reason }).catch((error) => {
    if (error instanceof UndecodableError) return false
    throw error
  })
}

function mayLive(entry: Entry): boolean {
  return entry.state !== 'foreign' && !(entry.state === 'tombstone' && reasonOf(entry.record) !== undefined)
}

function createdAt(entry: Entry): number {
  return 'record' in entry ? entry.record.header.createdAt : 0
}
