// What an operator may want to know: each event is a line in the log and a message on a diagnostics channel.
import { channel } from 'node:diagnostics_channel'
import { now } from './clock.js'
import type { Commit } from './records/lineage.js'

/**
 * Messages on the channel `fastify-ioredis-session`. A handle names a session and is safe to log. `ms` are milliseconds
 * as the request waited for them.
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
  | { type: 'refused'; reason: 'malformed' | 'signature' }
  | { type: 'lossy'; key: string; valueType: string; serializer: string }
  | { type: 'kept'; key: string; valueType: string; serializer: string; recordSerializer: string }

/** What is used of a logger, pino's in Fastify. */
export interface Log {
  error(details: object, message: string): void
  warn(details: object, message: string): void
  info(details: object, message: string): void
}

const events = channel('fastify-ioredis-session')

/** Tells of something that is worth a line in the log. */
export function report(log: Log, level: keyof Log, event: SessionEvent, message: string): void {
  log[level]({ session: event }, message)
  events.publish(event)
}

export function reportEnd(log: Log, handle: string, how: string): void {
  report(log, 'info', { type: 'destroyed', handle }, `session ${handle} was ended ${how}`)
}

/** @param expected The commit that was answered. @param there The commit that is stored. */
export function reportRollback(log: Log, handle: string, expected: Commit, there: Commit | undefined): void {
  const found = there?.counter
  const what = found === expected.counter ? 'another commit of this number' : (found ?? 'none')
  report(
    log,
    'warn',
    { type: 'rollback', handle, expected: expected.counter, found },
    `session ${handle} has lost commits: ${what} is stored, ${expected.counter} was answered`
  )
}

const knownAmbiguous = new WeakSet<object>()

/** A line in the log for the first one of each registration: browsers send the same cookies again and again. */
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
      `a browser sends the cookies of ${count} sessions, and none is used: change cookie.name with domain or path`
    )
  }
}

/** Reports what is worth no line in the log, since any visitor can cause it with every request. */
export function announce(event: SessionEvent): void {
  events.publish(event)
}

/** Does work that is told of, with the time it took, where anybody listens. A line in the log would be too much. */
export function timed(work: () => Promise<void>, describe: (ms: number) => SessionEvent): Promise<void> {
  if (!events.hasSubscribers) return work()
  const startedAt = now()
  return work().then(() => events.publish(describe(now() - startedAt)))
}
