// What an operator may want to know: each event is a line in the log and a message on a diagnostics channel.
import { channel } from 'node:diagnostics_channel'

/** Messages on the channel `fastify-ioredis-session`. A handle names a session and is safe to log. */
export type SessionEvent =
  | { type: 'undecodable'; handle: string; reason: string }
  | { type: 'destroyed'; handle: string }
  | { type: 'unsaved'; handle: string; reason: string }
  | { type: 'lossy'; key: string; valueType: string; serializer: string }

/** What is used of a logger, pino's in Fastify. */
export interface Log {
  error(details: object, message: string): void
  warn(details: object, message: string): void
  info(details: object, message: string): void
}

const events = channel('fastify-ioredis-session')

export function report(log: Log, level: keyof Log, event: SessionEvent, message: string): void {
  log[level]({ session: event }, message)
  events.publish(event)
}
