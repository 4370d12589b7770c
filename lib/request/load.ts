// Loads the session of a request: finds its record, decodes it on first access, and reports problems.
import type { Dictionary } from '../../serializers/serializer.js'
import { now } from '../clock.js'
import type { RequestCookies } from '../cookies/session-id.js'
import { PayloadError } from '../data/payload-error.js'
import { UnavailableError } from '../errors.js'
import { announce, report, reportAmbiguous, reportRollback, startTimer } from '../events.js'
import { cookieExpiry } from '../records/expiry.js'
import { type Commit, includes } from '../records/lineage.js'
import { DEFAULT_DURATION, type SessionRecord } from '../records/record.js'
import { markDestroyed } from './commit.js'
import { type Ambiguous, type Found, find, lookUp } from './lookup.js'
import type { RequestParts } from './parts.js'

/** @param onUnavailable If the store does not answer: an error, or an empty session. */
export async function load(
  parts: RequestParts,
  handle: string,
  cookies: RequestCookies,
  onUnavailable: 'error' | 'anonymous'
): Promise<void> {
  const { context, records, state } = parts
  const startedAt = startTimer()
  let replayed: string | undefined
  try {
    const own = await find(cookies, records, context)
    if (own.state === 'missing') {
      if (own.replacedBy !== undefined) replayed = own.received.handle
      await context.replays?.notice(parts, own)
    }
    const found = parts.origin === undefined ? own : ((await parts.origin.find(parts, own)) ?? own)
    settle(parts, found, found === own)
  } catch (reason) {
    const error = (reason ?? new UnavailableError('read', 'no reason')) as Error & { statusCode?: number }
    // After a failed read nothing is written.
    state.detach('unavailable')
    // The status decides, since a custom store has its own error classes.
    if (onUnavailable === 'error' || error.statusCode !== 503) throw error
    return
  }
  if (startedAt !== undefined) {
    announce({ type: 'load', handle, found: state.stored !== undefined, ms: now() - startedAt })
  }
  for (const { handle, seen } of cookies.ids) {
    if (seen !== undefined && handle !== replayed) compare(parts, handle, seen)
  }
}

/** Takes the session at once if the store has its record at hand. Several ids must be looked up together. */
export function loadAtOnce(parts: RequestParts, { ids }: RequestCookies): boolean {
  const [received] = ids
  if (received === undefined || ids.length > 1) return false
  const { context, cookie, records, state } = parts
  const { codec, lifetimes } = context
  const { handle, id, seen } = received
  const record = records.copyOf(handle, seen)
  if (record === undefined || !codec.isReady(record.header.tag)) return false
  cookie.hold(received)
  const read = () => record.copy() ?? decode(parts, record)
  state.take(id, handle, record, read, () => record.share(codec))
  cookie.expires(cookieExpiry(record.header, lifetimes))
  announce({ type: 'load', handle, found: true, ms: 0 })
  return true
}

/** Reads the session again, and drops what the request has changed. */
export async function reload(parts: RequestParts): Promise<void> {
  const { context, cookie, log, records, state } = parts
  const { handle, id, stored } = state
  if (stored === undefined) return state.reset()
  const received = { id, handle, outdated: false, seen: undefined }
  const found = await lookUp(received, records, context).catch((error) => {
    state.detach('unavailable')
    // Another reload() may succeed.
    state.stored = stored
    throw error
  })
  state.detached = undefined
  state.reset()
  if (found.state === 'missing') markDestroyed(state, cookie, log, handle)
  else take(parts, found)
}

function settle(parts: RequestParts, found: Found | Ambiguous, isOwn: boolean): void {
  const { context, cookie, log } = parts
  if (found.state === 'ambiguous') reportAmbiguous(context, log, found.handles)
  else if (found.state === 'missing') cookie.ended()
  else {
    // The browser does not hold the id of a session that comes from elsewhere.
    if (found.state === 'living' && isOwn) cookie.hold(found.received)
    take(parts, found)
  }
}

function take(parts: RequestParts, found: Exclude<Found, { state: 'missing' }>): void {
  const { context, cookie, state } = parts
  const { id, handle } = found.received
  if (found.state === 'living') {
    const { record } = found
    state.take(id, handle, record, () => decode(parts, record))
    cookie.expires(cookieExpiry(record.header, context.lifetimes))
  } else if (found.state === 'moved') {
    state.take(id, handle)
    state.detach('moved')
  } else {
    state.take(id, handle, undefined, () => refuse(parts, new PayloadError(found.reason)))
    state.detach('undecodable')
  }
}

// Responses arrive in any order, so a browser may have seen less than the store holds, but never more.
function compare({ context, log, state }: RequestParts, handle: string, seen: Commit): void {
  if (state.detached !== undefined || (state.stored !== undefined && state.handle !== handle)) return
  const there = state.stored?.header
  if (there !== undefined && includes(there, seen) !== false) return
  state.rolledBack = true
  if (context.ids.isFirstAlarm(handle, seen)) reportRollback(log, handle, seen, there)
}

function decode(parts: RequestParts, record: SessionRecord): Dictionary {
  try {
    return parts.context.codec.open(record)
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error
    return refuse(parts, error)
  }
}

// Reported on first access, once: requests that never read the session are not affected.
function refuse(parts: RequestParts, failure: PayloadError): Dictionary {
  const { context, log, state } = parts
  if (state.isUndecodableReported) return {}
  state.isUndecodableReported = true
  const { handle } = state
  state.detach('undecodable')
  state.draft.rebase(DEFAULT_DURATION, {})
  const error = failure.refusal(handle)
  report(log, 'error', { type: 'undecodable', handle, reason: failure.message }, error.message)
  // Not thrown after the response: in a log serializer that reads the session it would end the process.
  if ((failure.policy ?? context.onUndecodable) === 'error' && !parts.isEnding) throw error
  return {}
}
