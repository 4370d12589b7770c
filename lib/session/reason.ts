// Why a session ends, as the application says.
import { ReasonError } from '../errors.js'

/** Why a session has ended: one of these, or a text of the application of at most 100 characters. */
export type EndReason =
  | 'signed-out'
  | 'ended-by-user'
  | 'ended-by-administrator'
  | 'too-many'
  | 'replayed'
  | (string & {})

export interface EndOptions {
  /** What a request is told that still comes with the session's cookie; see `session.endedBecause`. */
  reason?: EndReason
}

const REASON = /^\P{C}{1,100}$/u

/**
 * The reason in these options, if there is one.
 * @param method The method that got them.
 * @throws {ReasonError} FST_SESSION_REASON
 */
export function reasonIn(options: EndOptions | undefined, method: string): string | undefined {
  if (options === undefined) return undefined
  if (typeof options !== 'object' || options === null) throw new ReasonError(method)
  const { reason, ...others } = options
  if (Object.keys(others).length > 0) throw new ReasonError(method)
  if (reason !== undefined && (typeof reason !== 'string' || !REASON.test(reason)))
    throw new ReasonError(method)
  return reason
}
