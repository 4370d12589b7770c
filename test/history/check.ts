// The checker: what must not be found in a history. It is pure; `check.test.ts` shows each verdict on short histories.
import {
  type Attempt,
  type Change,
  describe,
  type Entry,
  type Life,
  saidAtEnd,
  saidOf,
  saidOfLogout
} from './history.js'

export type Kind = keyof typeof KINDS

/** Everything that must never be seen. */
export const KINDS = {
  lost: 'acknowledged and not there',
  twice: 'there more than once',
  stored: 'stored although refused',
  order: 'in another order than acknowledged',
  counter: 'a counter or a set that differs from the list',
  vanished: 'logged out without a logout',
  resurrected: 'alive after a logout',
  oldId: 'an old id leads to the session',
  foreign: "another session's data",
  hung: 'a request without an end',
  late: 'a request beyond its time',
  unhandled: 'an error that nobody handled'
} as const

export interface Violation {
  kind: Kind
  life: string
  text: string
  /** The requests that it concerns, in the order in which they were sent. */
  entries: Entry[]
}

/** So many lines of a history are shown with a violation. */
const SHOWN = 14

/**
 * What is wrong with this history.
 * @param limit Milliseconds that a request may take.
 */
export function check(life: Life, limit = Number.POSITIVE_INFINITY): Violation[] {
  const { name, entries, end } = life
  const violations: Violation[] = []
  const report = (kind: Kind, text: string, concerned: readonly Entry[]) =>
    violations.push({ kind, life: name, text, entries: concerned.slice(0, SHOWN) })

  for (const entry of entries) {
    const seen = entry.answer?.life
    if (seen !== undefined && seen !== name) report('foreign', `the session of ${seen} is shown`, [entry])
    const took = Math.round(entry.answer?.took ?? 0)
    if (took > limit) report('late', `${took} ms, the limit is ${limit}`, [entry])
    if (entry.failure === 'hang') report('hung', 'no answer at all', [entry])
  }
  const logout = saidOfLogout(entries)
  if (logout === 'acknowledged') {
    checkEnded(life, report)
    return violations
  }
  if (logout === 'refused') {
    for (const entry of entries.filter((entry) => isStranger(life, entry))) {
      report('vanished', 'the session is not found', aroundAll(entries, [entry]))
    }
  }
  const { browser } = end
  if (browser.life !== undefined && browser.life !== name)
    report('foreign', `the browser ends in ${browser.life}`, [])
  if (browser.life === name) {
    checkValues(life, report)
    for (const { cookie } of end.others.filter(({ content }) => content.life === name)) {
      report('oldId', `${cookie} still leads to the session, which has another id now`, idChanges(entries))
    }
  } else if (logout === 'refused' && !mayHaveMissedItsId(life)) {
    report('vanished', 'the browser does not find its session at the end', idChanges(entries))
  }
  return violations
}

/**
 * Sign-ins that were refused and have left a session that nobody knows.
 * @param records What the store holds.
 */
export function checkAttempts(attempts: readonly Attempt[], records: readonly Uint8Array[]): Violation[] {
  return attempts
    .filter(({ entry }) => saidAtEnd(entry) === 'refused')
    .filter(({ name }) => records.some((record) => Buffer.from(record).includes(name)))
    .map(({ name, entry }) => ({
      kind: 'stored',
      life: name,
      text: 'a sign-in that was refused has left a session',
      entries: [entry]
    }))
}

/** Whether an answer that never came may have held the id under which the session went on: no service can help that. */
export function mayHaveMissedItsId({ entries }: Life): boolean {
  return entries.some(({ action, answer }) => action === 'append, new id' && answer === undefined)
}

type Report = (kind: Kind, text: string, entries: readonly Entry[]) => void

function checkEnded({ name, entries, end }: Life, report: Report): void {
  const logouts = entries.filter(({ action }) => action === 'log out')
  const ended = logouts.filter((entry) => entry.id !== undefined && saidAtEnd(entry) === 'acknowledged')
  const endedAt = Math.min(...ended.map((entry) => entry.endedAt))
  const later = entries.filter(({ sentAt, answer }) => sentAt > endedAt && answer?.life === name)
  for (const entry of later) report('resurrected', 'a request finds it again', [...logouts, entry])
  const found = [
    { cookie: 'the browser', content: end.browser },
    ...(end.atLogout === undefined ? [] : [{ cookie: 'the cookie of the logout', content: end.atLogout }]),
    ...end.others
  ]
  for (const { cookie, content } of found) {
    if (content.life === name) report('resurrected', `${cookie} leads to it`, idChanges(entries, ended))
  }
}

function checkValues({ entries, end }: Life, say: Report): void {
  const { log, count, tags } = end.browser
  const places = new Map<string, number[]>()
  for (const [index, value] of log.entries()) places.set(value, [...(places.get(value) ?? []), index])
  const acknowledged: { value: string; entry: Entry; place: number }[] = []
  let reported = 0
  const report: Report = (...what) => {
    reported++
    say(...what)
  }
  for (const entry of entries) {
    for (const change of entry.changes) {
      const { value } = change
      const said = saidOf(entry, change)
      const found = places.get(value) ?? []
      const context = () => aroundAll(entries, [entry])
      if (found.length > 1) report('twice', `${value} (${said}) is there ${found.length} times`, context())
      if (said === 'acknowledged' && found.length === 0) report('lost', `${value} is not there`, context())
      if (said === 'refused' && found.length > 0)
        report('stored', `${value} is there, ${why(entry, change)}`, context())
      if (said === 'acknowledged' && found[0] !== undefined)
        acknowledged.push({ value, entry, place: found[0] })
    }
  }
  for (const [later, earlier] of outOfOrder(acknowledged)) {
    const text = `${later.value} stands before ${earlier.value}, which was acknowledged before it was asked for`
    report('order', text, [earlier.entry, later.entry])
  }
  // What the list shows already is not said again of what changes with it.
  if (reported > 0) return
  if (count !== log.length) report('counter', `the counter is ${count}, the list holds ${log.length}`, [])
  if (tags.length !== places.size || tags.some((tag) => !places.has(tag))) {
    report('counter', `the set holds ${tags.length} values, the list ${places.size}`, [])
  }
}

// Pairs of values, one of which was acknowledged before the other was asked for, and stands behind it all the same.
// Only the last such pair for each value: one misplaced value is one violation.
function outOfOrder<T extends { entry: Entry; place: number }>(
  values: readonly T[]
): [later: T, earlier: T][] {
  const byEnd = values.toSorted((one, other) => one.entry.endedAt - other.entry.endedAt)
  const bySent = values.toSorted((one, other) => one.entry.sentAt - other.entry.sentAt)
  const pairs: [T, T][] = []
  let farthest: T | undefined
  let next = 0
  for (const later of bySent) {
    for (
      let earlier = byEnd[next];
      earlier && earlier.entry.endedAt < later.entry.sentAt;
      earlier = byEnd[++next]
    ) {
      if (farthest === undefined || earlier.place > farthest.place) farthest = earlier
    }
    if (farthest !== undefined && farthest.place > later.place) pairs.push([later, farthest])
  }
  return pairs
}

function why(entry: Entry, { when }: Change): string {
  if (when === 'before reload') return 'although reload() dropped it'
  const { answer, failure } = entry
  if (answer === undefined) return `although it was never sent (${failure})`
  if (answer.status === 200) return `although the session was detached (${answer.detached})`
  return `although the answer was ${answer.status} ${answer.code ?? ''}`.trim()
}

// A request that finds no session, and was not told that its id is an old one or that the store is away.
function isStranger(life: Life, { action, answer, sentAt }: Entry): boolean {
  if (action === 'sign in' || action === 'log out') return false
  const missed = life.entries.some(
    (other) => other.action === 'append, new id' && other.answer === undefined && other.sentAt < sentAt
  )
  return answer?.status === 401 && answer.detached === undefined && !missed
}

/** These requests, and the last ones that gave the browser another id, took it away, or were to. */
function idChanges(entries: readonly Entry[], chosen: readonly Entry[] = []): Entry[] {
  const changes = entries.filter(
    (entry) => !chosen.includes(entry) && (entry.action === 'append, new id' || entry.newId !== undefined)
  )
  return [...chosen, ...changes.slice(chosen.length - SHOWN)].sort((one, other) => one.sentAt - other.sentAt)
}

/** These requests and those that were under way with them, the closest first, in the order of time. */
function aroundAll(entries: readonly Entry[], chosen: readonly Entry[]): Entry[] {
  const from = Math.min(...chosen.map(({ sentAt }) => sentAt))
  const to = Math.max(...chosen.map(({ endedAt }) => endedAt))
  const beside = entries
    .filter((entry) => !chosen.includes(entry) && entry.endedAt > from && entry.sentAt < to)
    .slice(0, Math.max(0, SHOWN - chosen.length))
  return [...chosen, ...beside].sort((one, other) => one.sentAt - other.sentAt)
}

/** A violation to read. */
export function explain({ kind, life, text, entries }: Violation): string {
  return [`${KINDS[kind]}, session ${life}: ${text}`, ...entries.map(describe)].join('\n')
}
