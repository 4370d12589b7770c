// The orders to the process of the load, and its reports.
import type { Kind } from './contents.js'

export type Order =
  /** Signs in this many browsers, each with a session, and one more for the shared session, unless they exist. */
  | { do: 'begin'; subject: string; port: number; kind: Kind; browsers?: number }
  /** Sends requests until there were this many, or until these milliseconds have passed. */
  | {
      do: 'send'
      subject: string
      port: number
      scenario: string
      /** The kind of sessions, instead of the scenario's. */
      kind?: Kind
      connections: number
      amount?: number
      milliseconds?: number
    }

export interface Sent {
  requests: number
  /** Time from the first request to the last answer. */
  seconds: number
  /** Milliseconds. */
  p50: number
  p99: number
}

export type Report = { done: Sent | 'begun' } | { failed: string }
