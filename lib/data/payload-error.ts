// The error for a payload that cannot be used.
import { UndecodableError } from '../errors.js'

/** The message quotes nothing of the payload. */
export class PayloadError extends Error {
  /** What a request gets, if that is not for the option `onUndecodable` to say. */
  readonly policy: 'empty' | 'error' | undefined

  constructor(message: string, policy?: 'empty' | 'error') {
    super(message)
    this.policy = policy
  }

  /** The error for the application. */
  refusal(handle: string): Error {
    return new UndecodableError(handle, this.message)
  }
}
