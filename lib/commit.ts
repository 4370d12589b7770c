// What happens to a session at the end of a request, decided without doing it.

/** What a transaction knows of its session when it commits. */
export interface Situation {
  /** It must not be saved: it is not what the store holds. */
  detached: boolean
  /** The store holds a record of it. */
  stored: boolean
  /** It has no key. */
  empty: boolean
  /** It is to get a new id. */
  regenerate: boolean
  /** Its data or its permanence differs from the record. */
  modified: boolean
  touchDue: boolean
}

export type Step = 'nothing' | 'create' | 'update' | 'move' | 'remove' | 'touch'

export function decide(situation: Situation): Step {
  if (situation.detached) return 'nothing'
  if (!situation.stored) return situation.empty ? 'nothing' : 'create'
  if (situation.empty) return 'remove'
  if (situation.regenerate) return 'move'
  if (situation.modified) return 'update'
  return situation.touchDue ? 'touch' : 'nothing'
}
