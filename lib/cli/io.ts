// What a command reads and writes, and how it ends.
import type { Readable, Writable } from 'node:stream'

/** A stream that may be a terminal. */
export interface Output extends Writable {
  isTTY?: boolean
  columns?: number
  hasColors?(environment?: object): boolean
}

/** The part of `process` that a command uses. */
export interface Io {
  stdin: Readable & { isTTY?: boolean }
  stdout: Output
  stderr: Output
  env: NodeJS.ProcessEnv
}

/** What the program tells its caller. */
export const EXIT = {
  ok: 0,
  /** Something was found, or could not be done. */
  problems: 1,
  /** The command cannot be understood; nothing was done. */
  usage: 2
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The command cannot be understood. The message says what to change. */
export class UsageError extends Error {}
