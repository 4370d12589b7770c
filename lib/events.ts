// What an operator may want to know: each event is a message on a diagnostics channel, and most are a line in the log.
import { channel } from 'node:diagnostics_channel'
import { now } from './clock.js'
import type { Commit } from './records/lineage.js'

/** Why a session of another library was not adopted. */
export type NotAdopted = 'signature' | 'ambiguous' | 'pickle' | 'java' | 'type' | 'size' | 'format' | 'schema'

/**
 * A message on the diagnostics channel `fastify-ioredis-session`. A handle names a session and is safe to log. `ms` is
 * the time in milliseconds that the request waited, for `recovered` the length of the outage.
 *
 * @example
 * subscribe('fastify-ioredis-session', (message) => {
 *   const event = message as SessionEvent
 *   total.inc({ type: event.type })
 * })
 */
export type SessionEvent =
  | { type: 'load'; handle: string; found: boolean; ms: number }
  | { type: 'commit'; handle: string; step: string; tries: number; ms: number }
  | { type: 'unavailable'; operation: string }
  | { type: 'recovered'; ms: number }
  | { type: 'rollback'; handle: string; expected: number; found: number | undefined }
  | { type: 'undecodable'; handle: string; reason: string }
  | { type: 'destroyed'; handle: string }
  | { type: 'untouched'; handle: string; reason: string }
  | { type: 'ambiguous'; handles: readonly string[] }
  | { type: 'unsaved'; handle: string; reason: string }
  | { type: 'replay'; handle: string; successor: string; action: 'end' | 'report' }
  | { type: 'unknown'; address: string; count: number }
  | { type: 'unproven'; handle: string }
  | { type: 'refused'; reason: 'malformed' | 'signature' }
  | { type: 'adopted'; handle: string; library: string }
  | { type: 'unadopted'; library: string; reason: NotAdopted }
  | { type: 'peeked'; handle: string; key: string }
  | { type: 'lossy'; key: string; valueType: string; serializer: string }
  | { type: 'kept'; key: string; valueType: string; serializer: string; recordSerializer: string }

/** The methods of a logger that the plugin calls. In Fastify the logger is pino. */
export interface Log {
  error(details: object, message: string): void
  warn(details: object, message: string): void
  info(details: object, message: string): void
}

const events = channel('fastify-ioredis-session')

/** Logs an event and publishes it. */
export function report(log: Log, level: keyof Log, event: SessionEvent, message: string): void {
  log[level]({ session: event }, message)
  events.publish(event)
}

export function reportEnd(log: Log, handle: string, how: string): void {
  report(log, 'info', { type: 'destroyed', handle }, `session ${handle} was ended ${how}`)
}

/**
 * @param expected The commit that was acknowledged.
 * @param there The commit that is stored.
 */
export function reportRollback(log: Log, handle: string, expected: Commit, there: Commit | undefined): void {
  const found = there?.counter
  const commit = found === expected.counter ? 'another commit' : 'commit'
  const held = found === undefined ? 'no commit' : `${commit} ${found}`
  report(
    log,
    'warn',
    { type: 'rollback', handle, expected: expected.counter, found },
    `session ${handle} has lost commits: commit ${expected.counter} was acknowledged, the store holds ${held}; ` +
      'check its persistence, or set the option replicas'
  )
}

const knownAmbiguous = new WeakSet<object>()

/** Logs only the first event of each registration, since browsers send the same cookies again and again. */
export function reportAmbiguous(registration: object, log: Log, handles: readonly string[]): void {
  const event = { type: 'ambiguous', handles } as const
  if (knownAmbiguous.has(registration)) events.publish(event)
  else {
    knownAmbiguous.add(registration)
    const count = handles.length
    report(
      log,
      'warn',
      event,
      `a browser sent the cookies of ${count} sessions, so none is used: ` +
        'change cookie.name whenever cookie.domain or cookie.path change'
    )
  }
}

/** Publishes an event without logging it, since any visitor can cause it with every request. */
export function announce(event: SessionEvent): void {
  events.publish(event)
}

/** Starts measuring work whose duration is an event, too frequent for the log; `undefined` if nothing subscribes. */
export function startTimer(): number | undefined {
  return events.hasSubscribers ? now() : undefined
}
