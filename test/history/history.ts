// The history of one session: the requests of a browser and their answers. `check.ts` compares it with the session's
// content at the end.

/** The service's answer about a change. */
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

/** A session as a request reads it. */
export interface Content {
  /** The name that the sign-in gave the session; `undefined` if it is empty. */
  life: string | undefined
  log: string[]
  count: number
  tags: string[]
}

export interface Answer {
  status: number
  /** The error's code. */
  code?: string
  /** The value of `session.detached` after the commit. */
  detached?: string
  /** The result of the request's `save()`: `'done'` or the code of its error. Absent if it called none. */
  saved?: string
  /** The name of the session that the request read. */
  life?: string
  /** Milliseconds that the request took, without the time in which the process did not run. */
  took?: number
}

/** A value that a request appends, and when: the request's `reload()` drops values `'before reload'`. */
export interface Change {
  value: string
  when: 'before save' | 'before reload' | 'last'
}

/** One request. Times are milliseconds since the history began. */
export interface Entry {
  number: number
  tab: string
  action: Action
  /** The process of the service that received it. */
  process: number
  changes: Change[]
  /** The session id that the browser sent, as the number of the request that set it; `undefined` if it sent none. */
  id: number | undefined
  /** The id that the browser holds after the answer, if the answer changed it. */
  newId?: number | 'none' | undefined
  sentAt: number
  endedAt: number
  /** `undefined` if the connection broke or no answer arrived. */
  answer?: Answer | undefined
  /** Why there is no answer. */
  failure?: string
}

/** The content of a session after the faults. */
export interface End {
  /** Read with all of the browser's cookies. */
  browser: Content
  /** Read with each other id that the browser has held; `cookie` names the request that set it. */
  others: { cookie: string; content: Content }[]
  /** Read with the cookies that the browser held before the logout. */
  atLogout?: Content
}

/** A sign-in that failed: no browser uses this session. */
export interface Attempt {
  name: string
  entry: Entry
}

/** The history of one session, from its sign-in to its end. */
export interface Life {
  name: string
  entries: Entry[]
  end: End
}

/** The request was never sent, so it had no effect. */
const NOT_SENT = 'ECONNREFUSED'
const UNCERTAIN = ['FST_SESSION_UNCERTAIN', 'FST_SESSION_NOT_REPLICATED']

/** The answer about the changes that the request committed at its end. */
export function saidAtEnd({ answer, failure }: Entry): Said {
  if (answer === undefined) return failure === NOT_SENT ? 'refused' : 'uncertain'
  if (answer.status === 200) return answer.detached === undefined ? 'acknowledged' : 'refused'
  return UNCERTAIN.includes(answer.code ?? '') ? 'uncertain' : 'refused'
}

/** The answer about one change. What `save()` stored remains stored, even if the request fails later. */
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

/** The answer about the logout: `'acknowledged'` if the session has ended. */
export function saidOfLogout(entries: readonly Entry[]): Said {
  const said = entries.filter(({ action, id }) => action === 'log out' && id !== undefined).map(saidAtEnd)
  if (said.includes('acknowledged')) return 'acknowledged'
  return said.includes('uncertain') ? 'uncertain' : 'refused'
}

/** A request and its answer as a line of text. */
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
