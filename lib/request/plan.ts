// Decides what a commit has to do, and which data it has to store. No I/O here.
import type { Buffer } from 'node:buffer'
import type { Dictionary } from '../../serializers/serializer.js'
import type { Codec, Encoded, Stored } from '../data/codec.js'
import { type Budget, isEqual } from '../data/equal.js'
import { MergeConflict, type MergeRules, mergeLive } from '../data/merge.js'
import { PayloadError } from '../data/payload-error.js'
import { ConflictError } from '../errors.js'
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
import { type Draft, kept, type Snapshot } from '../session/draft.js'
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
  /** The version of this request's data. */
  version: number
  /** The tag of the serializer by which the merge compares values. */
  tag: number
  rules: MergeRules
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
  // An upgrade may leave nothing, but only a change ends a session.
  return merged === undefined ? draft.isEmpty && draft.mayDiffer : Object.keys(merged.data).length === 0
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
  return encoded.tag === tag && payloadNow(stored, codec)?.equals(encoded.record.payload)
    ? undefined
    : encoded
}

// What the data of this record encodes to as a request sees it. With a schema that may not be what is stored, and the
// difference is no change.
function payloadNow(stored: SessionRecord, codec: Codec): Buffer | undefined {
  if (codec.versions === undefined) return stored.payload
  try {
    return codec.encode(codec.open(stored), stored.header.tag).payload
  } catch {
    return undefined
  }
}

// Whether this data is unchanged, for a record that another serializer wrote. The change of serializer alone is no
// change of the data. A change that the other serializer cannot represent still is one.
function isAsWritten(data: Dictionary, stored: SessionRecord, codec: Codec, budget?: Budget): boolean {
  try {
    return (
      payloadNow(stored, codec)?.equals(codec.encode(data, stored.header.tag).payload) === true &&
      isEqual(codec.open(stored), data, budget ?? codec.newBudget())
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
  const read = kept(decodeRecord(base, handle, codec), keep)
  const theirs = kept(decodeRecord(stored, handle, codec), keep)
  const others = storedAs(tag, theirs, stored.header.tag, codec)
  const version = codec.versionOf(base.header)
  const there = codec.versionOf(stored.header)
  // Only if a failover has lost the later version.
  if (there < version) throw new ConflictError(handle, 'the store holds data of an earlier version')
  const rules = there === version ? merge : withoutGuess({ ...read, ...draft.data }, merge)
  const data = mergeOrConflict(handle, () =>
    mergeLive(storedAs(tag, read, base.header.tag, codec), draft.data, others, rules, mine, budget)
  )
  restore(data, others, theirs)
  const encoded =
    keep === true ? encodeChanged(data, stored, codec, budget) : codec.encodeLike(data, stored.header.tag)
  const written: Stored = encoded === undefined ? stored : encodedAs(there, encoded)
  return {
    step: 'nothing',
    encoded,
    duration: mergedDuration(draft, base, stored),
    startsOver: draft.startsOver && Object.keys(theirs).length === 0,
    merged: { data, mine: record, stored: () => codec.open(written), version, tag, rules }
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

// A later version may hold a key in another form. If both sides changed it, only a rule of the application can decide.
function withoutGuess(mine: Dictionary, merge: MergeRules): MergeRules {
  return { ...Object.fromEntries(Object.keys(mine).map((key) => [key, 'conflict'])), ...merge }
}

function encodedAs(schemaVersion: number, { record: { payload }, tag }: Encoded): Stored {
  return { header: { tag, schemaVersion }, payload }
}

// Values as the serializer with this tag decodes them.
function storedAs(tag: number, values: Dictionary, ownTag: number, codec: Codec): Dictionary {
  return tag === ownTag && codec.versions === undefined ? values : roundTrip(values, tag, codec)
}

// What a merge took over from these values stays as it was before the round trip.
function restore(merged: Dictionary, values: Dictionary, before: Dictionary): void {
  if (values === before) return
  for (const key of Object.keys(before)) {
    if (Object.hasOwn(merged, key) && merged[key] === values[key]) merged[key] = before[key]
  }
}

/** @throws FST_SESSION_UNDECODABLE, FST_SESSION_INVALID, FST_SESSION_UPGRADE */
export function decodeRecord(record: SessionRecord, handle: string, codec: Codec): Dictionary {
  try {
    return codec.open(record)
  } catch (error) {
    throw error instanceof PayloadError ? error.refusal(handle) : error
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
  { codec }: PlanContext
): void {
  if (plan.merged === undefined) return
  const { base, draft } = state
  const { data, mine, stored, version, tag, rules } = plan.merged
  const duration = mergeDurations(snapshot.duration, draft.duration, plan.duration)
  if (draft.changes === snapshot.changes && !draft.handedOut) {
    draft.rebase(duration, data)
    return
  }
  const normalize = (values: Dictionary) => roundTrip(values, tag, codec)
  const theirs = stored()
  const others = storedAs(tag, theirs, tag, codec)
  try {
    const live = mergeLive(
      codec.decode(tag, mine.payload),
      draft.data,
      others,
      rules,
      normalize,
      codec.newBudget()
    )
    restore(live, others, theirs)
    draft.rebase(duration, live)
  } catch (error) {
    if (!(error instanceof MergeConflict)) throw error
    if (base !== undefined) state.base = mine.seal({ ...base.header, tag, schemaVersion: version })
  }
}
