// Old records that are not adopted: by their first bytes, their size or their content.

import { NotAdoptedError } from '../errors.js'
import { announce, type Log, type NotAdopted, report } from '../events.js'
import { LogThrottle } from '../throttle.js'

type Reason = Exclude<NotAdopted, 'signature' | 'ambiguous'>

/** Why each kind of record is refused, and what to do. */
const WHY: Readonly<Record<Reason, string>> = {
  pickle: 'its record is a pickle, which can run code; let Flask-Session 0.8 rewrite the records first',
  java: 'its record is a serialized Java object, which can run code; store JSON first',
  type: 'its key holds another type than the adopter reads; check the prefix and fields of the adopter',
  size: 'it exceeds the limits of a session; raise maxRecordBytes',
  format: 'its record cannot be decoded; check which library wrote it, or write an adopter',
  schema: 'its data does not fit the option schema; correct the schema, or its upgrades'
}

/** An old record that is not adopted. */
export class Refusal extends Error {
  constructor(readonly reason: Reason) {
    super()
  }
}

/**
 * Refuses bytes that run code when their library reads them: pickle, protocols 2 to 5, and serialized Java objects.
 * @throws {Refusal}
 */
export function refuseExecutable([first = 0, second = 0]: Uint8Array): void {
  if (first === 0x80 && second >= 2 && second <= 5) throw new Refusal('pickle')
  if (first === 0xac && second === 0xed) throw new Refusal('java')
}

/** Reports refusals. A browser sends its cookie again and again, so the log has each kind once a minute. */
export class RefusalReport {
  readonly #throttle = new LogThrottle()

  /** @returns The error for a request that must not go on without the session. */
  report(log: Log, library: string, reason: Reason): Error {
    const error = new NotAdoptedError(library, WHY[reason])
    const event = { type: 'unadopted', library, reason } as const
    if (this.#throttle.isDue(`${library} ${reason}`)) report(log, 'error', event, error.message)
    else announce(event)
    return error
  }
}
