// Decides what a commit has to do, and which data it has to store. No I/O here.
import type { Dictionary } from '../../serializers/serializer.js'
import { type Codec, type Encoded, PayloadError } from '../data/codec.js'
import { type Budget, isEqual } from '../data/equal.js'
import { MergeConflict, type MergeRules, mergeLive } from '../data/merge.js'
import { ConflictError, UndecodableError } from '../errors.js'
import {
  isExtendable,
  isSameDuration,
  isTouchDue,
  type Lifetimes,
  mergeDurations
} from '../records/expiry.js'
import {
  DEFAULT_DURATION,
  type Duration,
  type SessionRecord,
  type UnsealedRecord
} from '../records/record.js'
import { type Draft, type Keep, kept, type Snapshot } from '../session/draft.js'
import type { SessionState } from './state.js'

type Step = 'nothing' | 'create' | 'update' | 'move' | 'remove' | 'touch'

export interface Plan {
  step: Step
  /** The data to store, encoded; `undefined` if the stored payload stays as it is. */
  encoded: Encoded | undefined
  duration: Duration
  /** The new id begins another session, which keeps nothing that is stored. */
  startsOver: boolean
  /** Set if the data to store also holds changes of other requests. */
  merged: Merged | undefined
}

/** The result of a merge. */
interface Merged {
  /** The merged data. Objects that the request holds stay live in it. */
  data: Dictionary
  /** The data of this request before the merge. */
  mine: UnsealedRecord
  /** Decodes the merged data from the payload to store. */
  stored(): Dictionary
  /** The tag of the serializer by which the merge compares values. */
  tag: number
}

export interface PlanContext {
  codec: Codec
  merge: MergeRules
  lifetimes: Lifetimes
}

const NOTHING: Plan = {
  step: 'nothing',
  encoded: undefined,
  duration: DEFAULT_DURATION,
  startsOver: false,
  merged: undefined
}

/** @param mayTouch Whether the request counts as use of the session. */
export function planOf(state: SessionState, mayTouch: boolean, context: PlanContext, budget?: Budget): Plan {
  const { base, draft, stored } = state
  if (isBlocked(state)) return NOTHING
  const { duration } = draft
  if (base === undefined || stored === undefined) {
    if (draft.isEmpty) return NOTHING
    const encoded = { record: context.codec.encode(draft.data), tag: context.codec.writer.tag, keys: [] }
    return { step: 'create', encoded, duration, startsOver: false, merged: undefined }
  }
  const plan: Plan =
    base === stored
      ? { step: 'nothing', encoded: undefined, duration, startsOver: draft.startsOver, merged: undefined }
      : mergedPlan(state, base, stored, context, budget ?? context.codec.newBudget())
  if (isEmpty(plan, draft)) plan.step = 'remove'
  else {
    if (plan.merged === undefined && draft.mayDiffer) {
      plan.encoded = encodeChanged(draft.data, stored, context.codec, budget)
    }
    if (draft.keep !== undefined) plan.step = 'move'
    else if (plan.encoded !== undefined || !isSameDuration(plan.duration, stored.header)) plan.step = 'update'
    else if (isTouched(draft, stored, mayTouch, context.lifetimes)) plan.step = 'touch'
  }
  return plan
}

/** Whether a commit would now store more than a touch. */
export function isModified(state: SessionState, context: PlanContext): boolean {
  const { step } = planOf(state, false, context)
  return step !== 'nothing' && step !== 'touch'
}

// A session that cannot be decoded stays as it is. Data that is set instead begins another session, under another id.
function isBlocked({ detached, draft }: SessionState): boolean {
  if (detached === 'undecodable') return draft.keep === undefined && !draft.written
  return detached !== undefined
}

function isEmpty({ merged }: Plan, draft: Draft): boolean {
  return merged === undefined ? draft.isEmpty : Object.keys(merged.data).length === 0
}

function isTouched(
  draft: Draft,
  { header }: SessionRecord,
  mayTouch: boolean,
  lifetimes: Lifetimes
): boolean {
  if (draft.touch) return isExtendable(header, lifetimes)
  return mayTouch && isTouchDue(header, lifetimes, Date.now())
}

// Encodes this data; `undefined` if that is what is stored.
function encodeChanged(
  data: Dictionary,
  stored: SessionRecord,
  codec: Codec,
  budget?: Budget
): Encoded | undefined {
  const { tag } = stored.header
  if (tag !== codec.writer.tag && isAsWritten(data, stored, codec, budget)) return undefined
  const encoded = codec.encodeLike(data, tag)
  return encoded.tag === tag && stored.payload.equals(encoded.record.payload) ? undefined : encoded
}

// Whether this data is unchanged, for a record that another serializer wrote. The change of serializer alone is no
// change of the data. A change that the other serializer cannot represent still is one.
function isAsWritten(
  data: Dictionary,
  { header: { tag }, payload }: SessionRecord,
  codec: Codec,
  budget?: Budget
): boolean {
  try {
    return (
      payload.equals(codec.encode(data, tag).payload) &&
      isEqual(codec.decode(tag, payload), data, budget ?? codec.newBudget())
    )
  } catch {
    return false
  }
}

// Merges what this request read, what it made of it, and what is stored now. All three are compared as one serializer
// decodes them. A value that no request changed stays as its own serializer decodes it.
function mergedPlan(
  { draft, handle }: SessionState,
  base: SessionRecord,
  stored: SessionRecord,
  { codec, merge }: PlanContext,
  budget: Budget
): Plan {
  const keep = draft.keep ?? true
  const { record, tag } = codec.encodeLike(draft.data, stored.header.tag)
  const mine = () => codec.decode(tag, record.payload)
  const theirs = kept(decodeRecord(stored, handle, codec), keep)
  const others = stored.header.tag === tag ? theirs : roundTrip(theirs, tag, codec)
  const data = mergeOrConflict(handle, () =>
    mergeLive(readAs(base, keep, tag, handle, codec), draft.data, others, merge, mine, budget)
  )
  if (others !== theirs) {
    for (const key of Object.keys(theirs)) {
      if (Object.hasOwn(data, key) && data[key] === others[key]) data[key] = theirs[key]
    }
  }
  const encoded =
    keep === true ? encodeChanged(data, stored, codec, budget) : codec.encodeLike(data, stored.header.tag)
  const written = encoded ?? { record: stored, tag: stored.header.tag }
  return {
    step: 'nothing',
    encoded,
    duration: mergedDuration(draft, base, stored),
    startsOver: draft.startsOver && Object.keys(theirs).length === 0,
    merged: { data, mine: record, stored: () => codec.decode(written.tag, written.record.payload), tag }
  }
}

// What regenerate() resets is set, even to the value that was read.
function mergedDuration(draft: Draft, base: SessionRecord, stored: SessionRecord): Duration {
  const { duration, keep = true, startsOver } = draft
  const { permanent, lifetime } = mergeDurations(base.header, duration, stored.header)
  return {
    permanent: keep === true ? permanent : duration.permanent,
    lifetime: startsOver ? duration.lifetime : lifetime
  }
}

function mergeOrConflict(handle: string, work: () => Dictionary): Dictionary {
  try {
    return work()
  } catch (error) {
    throw error instanceof MergeConflict ? new ConflictError(handle, error.message) : error
  }
}

function readAs(record: SessionRecord, keep: Keep, tag: number, handle: string, codec: Codec): Dictionary {
  const data = kept(decodeRecord(record, handle, codec), keep)
  return record.header.tag === tag ? data : roundTrip(data, tag, codec)
}

/** @throws {UndecodableError} FST_SESSION_UNDECODABLE */
export function decodeRecord({ header, payload }: SessionRecord, handle: string, codec: Codec): Dictionary {
  try {
    return codec.decode(header.tag, payload)
  } catch (error) {
    throw error instanceof PayloadError ? new UndecodableError(handle, error.message) : error
  }
}

// Encodes and decodes these values. If the serializer refuses what another one stored, the values stay as they are.
function roundTrip(values: Dictionary, tag: number, codec: Codec): Dictionary {
  try {
    return codec.decode(tag, codec.encode(values, tag).payload)
  } catch {
    return values
  }
}

/**
 * Adds the changes of other requests that a commit has stored to the draft. Changes since the snapshot stay changes. If
 * these cannot be merged, the next commit reports the conflict, because this one has succeeded.
 */
export function rebaseDraft(
  state: SessionState,
  snapshot: Snapshot,
  plan: Plan,
  { codec, merge }: PlanContext
): void {
  if (plan.merged === undefined) return
  const { base, draft } = state
  const { data, mine, stored, tag } = plan.merged
  const duration = mergeDurations(snapshot.duration, draft.duration, plan.duration)
  if (draft.changes === snapshot.changes && !draft.handedOut) {
    draft.rebase(duration, data)
    return
  }
  const normalize = (values: Dictionary) => roundTrip(values, tag, codec)
  try {
    const live = mergeLive(
      codec.decode(tag, mine.payload),
      draft.data,
      stored(),
      merge,
      normalize,
      codec.newBudget()
    )
    draft.rebase(duration, live)
  } catch (error) {
    if (!(error instanceof MergeConflict)) throw error
    if (base !== undefined) state.base = mine.seal({ ...base.header, tag })
  }
}
