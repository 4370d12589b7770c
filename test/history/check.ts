// The checker finds violations in a history. It does no I/O; `check.test.ts` shows each verdict on short histories.
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

/** All kinds of violations. */
export const KINDS = {
  lost: 'acknowledged but not stored',
  twice: 'stored more than once',
  stored: 'stored although refused',
  order: 'not in the order of the acknowledgements',
  counter: 'a counter or a set that differs from the list',
  vanished: 'lost without a logout',
  resurrected: 'alive after a logout',
  oldId: 'an old id still leads to the session',
  foreign: "another session's data",
  hung: 'a request without an answer',
  late: 'a request that took too long',
  unhandled: 'an unhandled error'
} as const

export interface Violation {
  kind: Kind
  life: string
  text: string
  /** The requests concerned, in the order in which they were sent. */
  entries: Entry[]
}

/** Maximum number of requests that a violation shows. */
const SHOWN = 14

/**
 * Finds the violations in this history.
 * @param limit Milliseconds that a request may take.
 */
export function check(life: Life, limit = Number.POSITIVE_INFINITY): Violation[] {
  const { name, entries, end } = life
  const violations: Violation[] = []
  const report = (kind: Kind, text: string, concerned: readonly Entry[]) =>
    violations.push({ kind, life: name, text, entries: concerned.slice(0, SHOWN) })

  for (const entry of entries) {
    const seen = entry.answer?.life
    if (seen !== undefined && seen !== name)
      report('foreign', `the request read the session ${seen}`, [entry])
    const took = Math.round(entry.answer?.took ?? 0)
    if (took > limit) report('late', `${took} ms, the limit is ${limit}`, [entry])
    if (entry.failure === 'hang') report('hung', 'no answer', [entry])
  }
  const logout = saidOfLogout(entries)
  if (logout === 'acknowledged') {
    checkEnded(life, report)
    return violations
  }
  if (logout === 'refused') {
    for (const entry of entries.filter((entry) => isStranger(life, entry))) {
      report('vanished', 'the request found no session', aroundAll(entries, [entry]))
    }
  }
  const { browser } = end
  if (browser.life !== undefined && browser.life !== name)
    report('foreign', `the browser ends with the session ${browser.life}`, [])
  if (browser.life === name) {
    checkValues(life, report)
    for (const { cookie } of end.others.filter(({ content }) => content.life === name)) {
      report('oldId', `${cookie} still leads to the session, which now has another id`, idChanges(entries))
    }
  } else if (logout === 'refused' && !mayHaveMissedItsId(life)) {
    report('vanished', 'the browser has no session at the end', idChanges(entries))
  }
  return violations
}

/**
 * Finds sign-ins that were refused but left a session in the store.
 * @param records All records of the store.
 */
export function checkAttempts(attempts: readonly Attempt[], records: readonly Uint8Array[]): Violation[] {
  return attempts
    .filter(({ entry }) => saidAtEnd(entry) === 'refused')
    .filter(({ name }) => records.some((record) => Buffer.from(record).includes(name)))
    .map(({ name, entry }) => ({
      kind: 'stored',
      life: name,
      text: 'a refused sign-in left a session',
      entries: [entry]
    }))
}

/** Whether an answer that was lost may have carried the session's new id. No service can prevent that. */
export function mayHaveMissedItsId({ entries }: Life): boolean {
  return entries.some(({ action, answer }) => action === 'append, new id' && answer === undefined)
}

type Report = (kind: Kind, text: string, entries: readonly Entry[]) => void

function checkEnded({ name, entries, end }: Life, report: Report): void {
  const logouts = entries.filter(({ action }) => action === 'log out')
  const ended = logouts.filter((entry) => entry.id !== undefined && saidAtEnd(entry) === 'acknowledged')
  const endedAt = Math.min(...ended.map((entry) => entry.endedAt))
  const later = entries.filter(({ sentAt, answer }) => sentAt > endedAt && answer?.life === name)
  for (const entry of later) report('resurrected', 'a later request read it', [...logouts, entry])
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
      if (found.length > 1) report('twice', `${value} (${said}) is stored ${found.length} times`, context())
      if (said === 'acknowledged' && found.length === 0) report('lost', `${value} is not stored`, context())
      if (said === 'refused' && found.length > 0)
        report('stored', `${value} is stored, ${why(entry, change)}`, context())
      if (said === 'acknowledged' && found[0] !== undefined)
        acknowledged.push({ value, entry, place: found[0] })
    }
  }
  for (const [later, earlier] of outOfOrder(acknowledged)) {
    const text = `${later.value} precedes ${earlier.value}, although its request was sent after that acknowledgement`
    report('order', text, [earlier.entry, later.entry])
  }
  // A wrong list makes the counter and the set wrong too: report it once.
  if (reported > 0) return
  if (count !== log.length) report('counter', `the counter is ${count}, the list holds ${log.length}`, [])
  if (tags.length !== places.size || tags.some((tag) => !places.has(tag))) {
    report('counter', `the set holds ${tags.length} values, the list ${places.size}`, [])
  }
}

// Pairs of values in the wrong order: the later one was sent after the other was acknowledged, but precedes it.
// Each value yields at most one pair, so that one misplaced value is one violation.
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
  if (answer === undefined) return `although the request was never sent (${failure})`
  if (answer.status === 200) return `although the session was detached (${answer.detached})`
  return `although the answer was ${answer.status} ${answer.code ?? ''}`.trim()
}

// A request that found no session, although its id was neither old nor the store unavailable.
function isStranger(life: Life, { action, answer, sentAt }: Entry): boolean {
  if (action === 'sign in' || action === 'log out') return false
  const missed = life.entries.some(
    (other) => other.action === 'append, new id' && other.answer === undefined && other.sentAt < sentAt
  )
  return answer?.status === 401 && answer.detached === undefined && !missed
}

/** The chosen requests, and the last ones that changed or removed the browser's id or tried to. */
function idChanges(entries: readonly Entry[], chosen: readonly Entry[] = []): Entry[] {
  const changes = entries.filter(
    (entry) => !chosen.includes(entry) && (entry.action === 'append, new id' || entry.newId !== undefined)
  )
  return [...chosen, ...changes.slice(chosen.length - SHOWN)].sort((one, other) => one.sentAt - other.sentAt)
}

/** The chosen requests and requests in flight at the same time, in the order in which they were sent. */
function aroundAll(entries: readonly Entry[], chosen: readonly Entry[]): Entry[] {
  const from = Math.min(...chosen.map(({ sentAt }) => sentAt))
  const to = Math.max(...chosen.map(({ endedAt }) => endedAt))
  const beside = entries
    .filter((entry) => !chosen.includes(entry) && entry.endedAt > from && entry.sentAt < to)
    .slice(0, Math.max(0, SHOWN - chosen.length))
  return [...chosen, ...beside].sort((one, other) => one.sentAt - other.sentAt)
}

/** A violation as lines of text. */
export function explain({ kind, life, text, entries }: Violation): string {
  return [`${KINDS[kind]}, session ${life}: ${text}`, ...entries.map(describe)].join('\n')
}
