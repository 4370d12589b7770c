// What browsers asked for and what they were told: the history of one session, which `check.ts` compares with what is
// found at the end.

/** What the service has said of a change. */
export type Said = 'acknowledged' | 'refused' | 'uncertain'

export type Action =
  | 'sign in'
  | 'append'
  | 'append, keep me signed in'
  | 'append, save, append'
  | 'append, reload, append'
  | 'append and fail'
  | 'append, new id'
  | 'read'
  | 'log out'

/** A session as a request finds it. */
export interface Content {
  /** Whose session it is; `undefined` if it is empty. */
  life: string | undefined
  log: string[]
  count: number
  tags: string[]
}

export interface Answer {
  status: number
  /** The code of the error. */
  code?: string
  /** `session.detached` after the commit. */
  detached?: string
  /** What the request's own `save()` came to: `'done'`, or the code of its error; absent if it called none. */
  saved?: string
  /** Whose session the request found. */
  life?: string
  /** Milliseconds that the process took, without those for which it stood still. */
  took?: number
}

/** A value that a request appends, and when in the request: `dropped` values are taken back by its `reload()`. */
export interface Change {
  value: string
  when: 'before save' | 'before reload' | 'last'
}

/** One request. Instants are milliseconds since the history began. */
export interface Entry {
  number: number
  tab: string
  action: Action
  /** Which process of the service it went to. */
  process: number
  changes: Change[]
  /** The session id that the browser sent, named by the request that brought it; `undefined`: none. */
  id: number | undefined
  /** The one that it holds after the answer, if that is another than just before the answer. */
  newId?: number | 'none' | undefined
  sentAt: number
  endedAt: number
  /** `undefined` if the connection broke or nothing was heard. */
  answer?: Answer | undefined
  /** Why there is no answer. */
  failure?: string
}

/** What was found of a session when the faults were over. */
export interface End {
  /** By the browser, with all of its cookies. */
  browser: Content
  /** By each of the other ids that the browser has held, alone, each named by when it came. */
  others: { cookie: string; content: Content }[]
  /** By the cookie jar as it was when the session was signed out. */
  atLogout?: Content
}

/** A sign-in that did not succeed: nobody has this session. */
export interface Attempt {
  name: string
  entry: Entry
}

/** The history of one session, from a sign-in to its end. */
export interface Life {
  name: string
  entries: Entry[]
  end: End
}

/** Not sent at all: nobody can have done anything. */
const NOT_SENT = 'ECONNREFUSED'
const UNCERTAIN = ['FST_SESSION_UNCERTAIN', 'FST_SESSION_NOT_REPLICATED']

/** What was said of what the request had made of its session at its end. */
export function saidAtEnd({ answer, failure }: Entry): Said {
  if (answer === undefined) return failure === NOT_SENT ? 'refused' : 'uncertain'
  if (answer.status === 200) return answer.detached === undefined ? 'acknowledged' : 'refused'
  return UNCERTAIN.includes(answer.code ?? '') ? 'uncertain' : 'refused'
}

/** What was said of one change. What a save has stored stays stored, whatever becomes of the request. */
export function saidOf(entry: Entry, { when }: Change): Said {
  const atEnd = saidAtEnd(entry)
  if (when === 'last') return atEnd
  if (when === 'before reload') return 'refused'
  const saved = entry.answer?.saved
  if (saved === 'done') return 'acknowledged'
  if (saved === undefined) return atEnd === 'acknowledged' ? 'refused' : atEnd
  if (atEnd === 'acknowledged') return 'acknowledged'
  return UNCERTAIN.includes(saved) ? 'uncertain' : atEnd
}

/** What was said of the end of the session: `'acknowledged'` if it was signed out. */
export function saidOfLogout(entries: readonly Entry[]): Said {
  const said = entries.filter(({ action, id }) => action === 'log out' && id !== undefined).map(saidAtEnd)
  if (said.includes('acknowledged')) return 'acknowledged'
  return said.includes('uncertain') ? 'uncertain' : 'refused'
}

/** Lines to read: who asked for what when, and what the answer was. */
export function describe(entry: Entry): string {
  const { number, tab, action, process, changes, id, newId, sentAt, endedAt, answer, failure } = entry
  const times = `${sentAt.toFixed(1).padStart(9)} to ${endedAt.toFixed(1).padStart(9)} ms`
  const values = changes.map(({ value }) => value).join(', ')
  const heard =
    answer === undefined
      ? `no answer (${failure})`
      : [
          answer.status,
          answer.code,
          answer.detached && `detached: ${answer.detached}`,
          answer.saved && `save(): ${answer.saved}`
        ]
          .filter(Boolean)
          .join(' ')
  const sent = `${action}${values && ` ${values}`}${id === undefined ? '' : ` (id of #${id})`}`
  const got = newId === undefined ? '' : `, now ${newId === 'none' ? 'no id' : `the id of #${newId}`}`
  return `  #${number} ${times}  ${tab} at process ${process}: ${sent} -> ${heard}${got}`
}
