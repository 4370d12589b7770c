// The model: what the store must hold after every operation, and what a response may say. Operations run one at a
// time, so their order is known. The ledger applies each request's changes in that order and compares the results.
import { isDeepStrictEqual } from 'node:util'
import type { Operation } from './gated-store.js'
import { type Content, EMPTY, Intent } from './intent.js'
import { contentOf, isBare, isTombstone, type Use, useIn, useOf } from './internals.js'
import type { Fate, Step, Visit } from './plan.js'

/** The options that say when sessions expire, in seconds. */
const IDLE_TIMEOUT = 86_400
const PERMANENT_LIFETIME = 31 * 86_400
/** Tombstones outlive every run. */
export const GRACE = 60 * 86_400

interface Version {
  from: number
  /** When another version replaced it or the session ended. */
  until: number
  content: Content
  /** When it expires, by the clock of the store. */
  expiresAt: number
}

/** The history of one key. */
interface Entry {
  /** Sessions connected by `regenerate()` have the same lineage. */
  lineage: number
  versions: Version[]
  end: 'moved' | 'gone' | undefined
  /** A response has set a cookie for it, or the response was lost. */
  isKnown: boolean
  maker: Account
  /** `regenerate()` created it for the session of another key. */
  isHeir: boolean
  /** Its request does not know of it, because an answer was lost, or could not remove it. No cookie leads to it. */
  isOrphan: boolean
  /** The bytes of the last write. */
  bytes: Uint8Array | undefined
  touchedAt: number
}

/** The ledger's account of one request. */
export class Account {
  readonly startedAt: number
  intent = new Intent()
  /** The time of the read or write that produced `intent.base`. */
  baseAt = 0
  /** The key of its session. */
  key: string | undefined
  /** The key of its cookie. */
  cameWith: string | undefined
  /** The key of the record for the new id, until the tombstone is written. */
  heir: string | undefined
  /** The handler's current step; `undefined` during the commit. */
  step: Step['do'] | undefined
  /** Writes of this step or of the commit, except those that were undone. */
  writes = 0
  /** Number of conflicts of the current commit. */
  conflicts = 0
  /** Operations that were refused, or whose answer was lost, except touches. */
  refused = 0
  lost = 0
  /** One of its writes took effect, but the answer was lost. */
  isUnheard = false
  /** As far as it knows, the store holds its session. */
  isLoaded = false
  /** It ended its session. */
  hasEnded = false
  /** The nonces of the records that it has sent. */
  readonly sent = new Set<number>()
  /** The instants at which it may have computed the age of a cookie. */
  readonly instants = new Set<number>()
  /** When its handler ended. */
  handledAt = 0
  /** What it read first, and what its commit wrote last. */
  read: Version | undefined
  wrote: Version | undefined
  /** It deleted keys that have merge rules. The model does not check the result of such a merge. */
  isLoose = false

  /** @param cookies The keys of its cookies. */
  constructor(
    readonly name: string,
    readonly visit: Visit,
    readonly cookies: readonly string[],
    ledger: Ledger
  ) {
    this.startedAt = ledger.clock
    this.sees()
  }

  /** It does something now. */
  sees(): void {
    this.instants.add(Date.now())
  }

  /** The keys of its session and of its cookie. */
  get keys(): string[] {
    return [this.key, this.cameWith].filter((key) => key !== undefined)
  }

  begins(step: Step['do'] | undefined): void {
    this.step = step
    if (step === undefined) this.handledAt = Date.now()
    this.sees()
    this.writes = 0
    this.conflicts = 0
  }

  begin(base: Content, ledger: Ledger): void {
    this.intent = new Intent(base)
    this.baseAt = ledger.clock
  }
}

/** The parts of a response that the ledger checks. */
export interface Answer {
  status: number
  code: string | undefined
  detached: string | undefined
  destroyed: boolean
  /** The key for the session cookie; `null` if the response clears it. */
  cookie: string | null | undefined
  maxAge: number | undefined
  /** The keys for its other cookies. */
  offered: string[]
}

export class Ledger {
  /** Number of operations so far. */
  clock = 0
  readonly violations: string[] = []
  readonly seen = {
    conflicts: 0,
    /** Commits with at least two conflicts. */
    twice: 0,
    moved: 0,
    vanished: 0,
    clashes: 0,
    merges: 0,
    refused: 0,
    uncertain: 0
  }
  readonly #entries = new Map<string, Entry>()
  readonly #dead = new Set<number>()

  /** The keys that hold a session or a tombstone. */
  get keys(): string[] {
    return [...this.#entries].filter(([, { end }]) => end !== 'gone').map(([key]) => key)
  }

  contentOf(key: string): Content | undefined {
    const entry = this.#entries.get(key)
    return entry?.end === undefined ? entry?.versions.at(-1)?.content : undefined
  }

  /** @param touchAfter The option, in seconds. */
  constructor(private readonly touchAfter: number) {}

  // ------------------------------------------------------------- time

  /** Checks when the record of an operation expires. */
  checkSent(account: Account, operation: Operation): void {
    account.sees()
    if (operation.name === 'touch')
      this.#checkExpiry(account, useIn(operation.patch), operation.expiresAt, true)
    if (!isWrite(operation)) return
    const { record, expiresAt } = operation
    const use = useOf(record)
    const isNew = !account.sent.has(use.nonce)
    account.sent.add(use.nonce)
    const idle = isTombstone(record) ? GRACE : idleTimeoutOf(use)
    this.#claim(
      account,
      use.idleTimeout === idle,
      `wrote the idle timeout ${use.idleTimeout} instead of ${idle}`
    )
    this.#checkExpiry(account, use, expiresAt, isNew)
  }

  // A write that is sent again still has the time of its first try.
  #checkExpiry(account: Account, { touchedAt, idleTimeout }: Use, expiresAt: number, isNew: boolean): void {
    const now = Date.now()
    this.#claim(account, isNew ? touchedAt === now : touchedAt <= now, 'wrote a wrong time of the last use')
    const isOver = now >= touchedAt + idleTimeout * 1_000
    const end = (isOver ? now : touchedAt) + idleTimeout * 1_000
    this.#claim(account, expiresAt === end, `let a record expire ${expiresAt - end} ms too late`)
  }

  /** Whether time may pass until this instant: not if a new id would expire before its request announces it. */
  maySkipTo(now: number): boolean {
    return !this.#expiredBy(now).some(([, entry]) => entry.isHeir && !entry.isKnown)
  }

  /** Ends what has expired by now, and returns its keys. */
  skip(): string[] {
    const expired = this.#expiredBy(Date.now())
    for (const [key] of expired) this.bury(key)
    return expired.map(([key]) => key)
  }

  #expiredBy(now: number): [string, Entry][] {
    return [...this.#entries].filter(
      ([, { end, versions }]) => end === undefined && (versions.at(-1)?.expiresAt ?? now) <= now
    )
  }

  // The same content, with another end. A revision ends with the last use, and parallel touches may be the same.
  #bookTouch(account: Account, entry: Entry, { revision, patch, expiresAt }: Touch): void {
    const { touchedAt, idleTimeout } = useIn(patch)
    const before = entry.versions.at(-1) as Version
    const { content } = before
    this.#claim(
      account,
      idleTimeout === idleTimeoutOf(content),
      'touched a session with a wrong idle timeout'
    )
    const { steps, fates } = account.visit
    const isDue =
      touchedAt - useIn(revision.subarray(-patch.length)).touchedAt >= this.#touchAfterOf(content) * 1_000 ||
      fates.length > 0 ||
      steps.some((step) => step.do === 'touch')
    this.#claim(account, isDue, 'touched a session that was touched just before')
    this.#addVersion(account, entry, content, touchedAt, expiresAt)
  }

  #addVersion(account: Account, entry: Entry, content: Content, touchedAt: number, expiresAt: number): void {
    const before = entry.versions.at(-1)
    if (before !== undefined) before.until = this.clock
    const version = { from: this.clock, until: Number.POSITIVE_INFINITY, content, expiresAt }
    entry.versions.push(version)
    entry.touchedAt = touchedAt
    if (account.step === undefined) account.wrote = version
  }

  #touchAfterOf({ lifetime }: Content): number {
    return Math.min(this.touchAfter, lifetime === undefined ? this.touchAfter : lifetime / 10)
  }

  // A response leaves no session that was used too long ago.
  #checkTouch(account: Account, entry: Entry | undefined): void {
    const last = entry?.versions.at(-1)
    if (
      !account.isLoaded ||
      entry === undefined ||
      entry.end !== undefined ||
      last === undefined ||
      account.visit.fates.length > 0
    )
      return
    const idleFor = account.handledAt - entry.touchedAt
    const isExtended = idleFor < Math.max(1, this.#touchAfterOf(last.content) * 1_000)
    this.#claim(account, isExtended, `did not extend a session that was touched ${idleFor} ms ago`)
  }

  // The cookie of a permanent session ends with it, and any other one with the browser.
  #checkMaxAge(account: Account, entry: Entry, maxAge: number | undefined): void {
    const isRight = ({ until, content, expiresAt }: Version) =>
      until >= account.startedAt &&
      (content.permanent
        ? [...account.instants].some((now) => maxAge === Math.max(1, Math.ceil((expiresAt - now) / 1_000)))
        : maxAge === undefined)
    this.#claim(account, entry.versions.some(isRight), `sent a cookie with Max-Age ${maxAge}`)
  }

  // A response must send the cookie if the browser would otherwise lose or keep it too early or too long.
  #checkRenewal(account: Account, cookie: string | null | undefined): void {
    const { read, wrote, visit, key, cameWith } = account
    if (read === undefined || wrote === undefined || key !== cameWith || cookie === key) return
    if (visit.fates.length > 0 || account.cookies[0] !== cameWith || visit.steps.some(isInTwoParts)) return
    const step = this.#touchAfterOf(wrote.content) * 1_000
    const later = wrote.expiresAt - read.expiresAt
    // Earlier renewals may have been too small to send the cookie, which then ends earlier.
    const isBehind = later > 0 ? later >= step : later < 0 && later <= -2 * step
    const isOutdated = wrote.content.permanent ? !read.content.permanent || isBehind : read.content.permanent
    this.#claim(account, !isOutdated, 'should have sent the cookie again')
  }

  // ------------------------------------------------------------- operations

  /** Records an operation that took effect. Its answer may be lost. */
  book(account: Account, operation: Operation, outcome: unknown, fate: Fate): void {
    this.clock++
    const { key } = operation
    const entry = this.#entries.get(key)
    if (fate === 'lose' || fate === 'resend') this.#bookFault(account, operation, fate)
    const isTakenBack = operation.name === 'destroy' && key === account.heir
    const isChange = operation.name !== 'touch' && !isTakenBack
    if (fate === 'lose') account.isUnheard ||= isChange && (outcome === 'done' || outcome === true)
    else account.isUnheard = false
    if (isWrite(operation) && entry !== undefined && (outcome === 'done' || outcome === true)) {
      // Writing the same bytes again changes nothing: an earlier answer was lost, or the client sent them twice.
      if (entry.bytes !== undefined && Buffer.compare(entry.bytes, operation.record) === 0) {
        if (fate !== 'lose') this.#find(account, key, entry)
        return
      }
      entry.bytes = operation.record
    }
    if (operation.name === 'read') {
      if (fate === 'lose') this.#loseSight(account, key)
      else this.#bookRead(account, key, outcome as Uint8Array | undefined)
    } else if (operation.name === 'create') {
      if (outcome === true) this.#bookCreate(account, key, operation, fate === 'lose')
    } else if (outcome === 'missing') {
      this.seen.vanished++
      this.#claim(account, entry?.end === 'gone', `finds nothing under ${key}, which holds a session`)
    } else if (outcome !== 'done') {
      this.seen.conflicts++
      account.conflicts++
      if (account.conflicts === 2) this.seen.twice++
    } else if (entry === undefined || entry.end === 'gone') {
      this.#fail(account, `succeeds with ${operation.name} on a session that is gone`)
    } else if (operation.name === 'destroy') this.#bookDestroy(account, key, entry)
    else if (operation.name === 'update') this.#bookUpdate(account, key, entry, operation)
    else if (operation.name === 'touch') {
      this.#claim(account, entry.end === undefined, 'touched a tombstone')
      this.#bookTouch(account, entry, operation)
    }
  }

  /** Records an operation that the store refused. It had no effect. */
  bookRefusal(account: Account, operation: Operation): void {
    this.clock++
    this.#bookFault(account, operation, 'refuse')
    if (operation.name === 'read') this.#loseSight(account, operation.key)
    const { heir } = account
    if (operation.name !== 'destroy' || operation.key !== heir || heir === undefined) return
    // The record that the request tried to remove remains.
    const entry = this.#entries.get(heir)
    if (entry !== undefined) entry.isOrphan = true
    account.heir = undefined
    account.writes--
  }

  // A request that created a record, sent that twice, and could not read whether the record is its own.
  #loseSight(account: Account, key: string): void {
    const entry = this.#entries.get(key)
    if (key !== account.heir || entry === undefined) return
    entry.isOrphan = true
    account.heir = undefined
  }

  // A read must not fail because of a touch.
  #bookFault(account: Account, { name }: Operation, fate: Fate): void {
    if (name === 'touch') return
    if (fate === 'refuse' || name === 'read') account.refused++
    else account.lost++
  }

  /** Records the end of a session that no request caused. */
  bookExpiry(key: string): void {
    this.clock++
    this.#end(key, 'gone')
  }

  #bookRead(account: Account, key: string, record: Uint8Array | undefined): void {
    const entry = this.#entries.get(key)
    const content = this.contentOf(key)
    if (record === undefined) {
      this.#claim(
        account,
        entry === undefined || entry.end === 'gone',
        'reads nothing from a key that holds a session'
      )
    } else if (isTombstone(record)) {
      this.#claim(account, entry?.end === 'moved', 'reads a tombstone that no request wrote')
      this.#claim(account, isBare(record), 'reads a tombstone with data')
    } else {
      this.#claim(
        account,
        isDeepStrictEqual(contentOf(record), content),
        'reads other content than was written'
      )
    }
    if (entry?.maker === account && account.step !== 'reload') {
      this.#find(account, key, entry)
      return
    }
    // It only follows tombstones, to find out whether they lead to the id of another cookie.
    if (account.step === undefined && !account.cookies.includes(key)) return
    account.cameWith ??= key
    account.key = key
    account.read ??= content && entry?.versions.at(-1)
    account.isLoaded = content !== undefined
    account.begin(content ?? EMPTY, this)
  }

  // A request found its own record, whose answer it had lost.
  #find(account: Account, key: string, entry: Entry): void {
    if (!entry.isOrphan) return
    entry.isOrphan = false
    if (entry.isHeir) account.heir = key
    else this.#adopt(account, key)
  }

  #adopt(account: Account, key: string): void {
    account.key = key
    account.isLoaded = true
    account.hasEnded = false
    account.begin(this.contentOf(key) ?? EMPTY, this)
  }

  #bookCreate(account: Account, key: string, { record: bytes, expiresAt }: Write, isLost: boolean): void {
    const content = contentOf(bytes)
    this.#claim(account, !this.#entries.has(key), 'created a session under an id that was used before')
    const parent = account.key === undefined ? undefined : this.#entries.get(account.key)
    const isHeir = account.isLoaded && account.intent.regenerate
    const lineage = (isHeir ? parent?.lineage : undefined) ?? this.#entries.size
    const version = { from: this.clock, until: Number.POSITIVE_INFINITY, content, expiresAt }
    this.#entries.set(key, {
      lineage,
      bytes,
      touchedAt: useOf(bytes).touchedAt,
      versions: [version],
      end: undefined,
      isKnown: false,
      maker: account,
      isHeir,
      isOrphan: isLost
    })
    account.writes++
    if (!isHeir) this.#compare(account, content, EMPTY)
    if (isLost) return
    if (isHeir) account.heir = key
    else this.#adopt(account, key)
  }

  #bookUpdate(account: Account, key: string, entry: Entry, { record, expiresAt }: Write): void {
    const { touchedAt } = useOf(record)
    if (key === account.heir) {
      // Other requests changed the session meanwhile, so the record for the new id gets their changes too.
      this.#addVersion(account, entry, contentOf(record), touchedAt, expiresAt)
      return
    }
    this.#claim(account, key === account.key, 'wrote to the session of another request')
    this.#claim(account, entry.end === undefined, 'overwrote a tombstone')
    account.writes++
    if (isTombstone(record)) {
      this.#bookMove(account, key)
      return
    }
    const before = entry.versions.at(-1) as Version
    const content = contentOf(record)
    if (before.from > account.baseAt) this.seen.merges++
    this.#compare(account, content, before.content)
    this.#addVersion(account, entry, content, touchedAt, expiresAt)
    account.begin(content, this)
  }

  #bookMove(account: Account, key: string): void {
    const { heir } = account
    const before = this.contentOf(key)
    const after = heir === undefined ? undefined : this.contentOf(heir)
    this.#end(key, 'moved')
    if (heir === undefined || before === undefined || after === undefined) {
      this.#fail(account, 'left a tombstone without a record for the new id')
      return
    }
    this.#compare(account, after, before)
    account.key = heir
    account.heir = undefined
    account.begin(after, this)
  }

  #bookDestroy(account: Account, key: string, entry: Entry): void {
    if (key === account.heir || (entry.maker === account && entry.isOrphan)) {
      account.heir = undefined
      account.writes--
      this.#end(key, 'gone')
      return
    }
    if (key !== account.key && account.step === 'destroy') {
      // A logout ends every session that the cookies of its request lead to.
      this.#end(key, 'gone')
      this.#dead.add(entry.lineage)
      return
    }
    this.#claim(account, key === account.key, 'ended the session of another request')
    account.writes++
    if (account.step !== 'destroy') {
      const { data } = account.intent.applyTo(this.contentOf(key) ?? EMPTY)
      const isEmpty = Object.keys(data).length === 0
      this.#claim(account, account.isLoose || isEmpty, 'ended a session that has keys')
    }
    this.#claim(account, entry.end === undefined, 'ended a tombstone')
    this.#end(key, 'gone')
    this.#dead.add(entry.lineage)
    account.hasEnded = true
    account.isLoaded = false
    account.begin(EMPTY, this)
  }

  #end(key: string, end: 'moved' | 'gone'): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    const last = entry.versions.at(-1)
    if (last !== undefined) last.until = Math.min(last.until, this.clock)
    entry.end = end
  }

  /** Records that a session expired or was removed from the store directly. */
  bury(key: string): void {
    const entry = this.#entries.get(key)
    if (entry?.end === undefined && entry !== undefined) this.#dead.add(entry.lineage)
    this.bookExpiry(key)
  }

  // Claims that the written content is the earlier content with this request's changes.
  #compare(account: Account, written: Content, before: Content): void {
    const { intent, isLoose } = account
    if (isLoose) return
    if (intent.assigned.has('guard')) {
      const base = intent.kept(intent.base.data).guard
      this.#claim(
        account,
        isDeepStrictEqual(intent.kept(before.data).guard, base),
        'overwrote a change of the key with the rule conflict'
      )
    }
    const expected = intent.applyTo(before)
    const keys = new Set([...Object.keys(expected.data), ...Object.keys(written.data)])
    for (const key of keys) {
      const [should, is] = [expected.data[key], written.data[key]]
      if (isDeepStrictEqual(should, is)) continue
      this.#fail(account, `wrote ${key} ${show(is)} instead of ${show(should)}`)
    }
    this.#claim(
      account,
      written.permanent === expected.permanent,
      `wrote permanent ${written.permanent} instead of ${expected.permanent}`
    )
    this.#claim(
      account,
      written.lifetime === expected.lifetime,
      `wrote lifetime ${written.lifetime} instead of ${expected.lifetime}`
    )
  }

  // Whether the session has ever included this request's changes since the request read it.
  #isShown(account: Account): boolean {
    const { intent } = account
    return intent.isShownBy(intent.base) || this.#wasSeen(account, (content) => intent.isShownBy(content))
  }

  // Whether any version of the session since the request read it passes the test.
  #wasSeen(account: Account, test: (content: Content) => boolean): boolean {
    const entry = account.key === undefined ? undefined : this.#entries.get(account.key)
    return (
      entry?.versions.some(
        ({ from, until, content }) => until > account.baseAt && from >= account.baseAt && test(content)
      ) ?? false
    )
  }

  // ------------------------------------------------------------- steps and responses

  /** Checks a handler's view: the content that the request read, with its own changes. */
  checkView(account: Account, view: Content): void {
    if (account.isLoose) return
    const expected = account.intent.applyTo(account.intent.base)
    this.#claim(account, isDeepStrictEqual(view, expected), `sees ${show(view)} instead of ${show(expected)}`)
  }

  /** Checks a resolved `save()`: the session continues from a version that the store held since it was read. */
  checkSaved(account: Account, view: Content): void {
    account.isLoose = false
    const entry = account.key === undefined ? undefined : this.#entries.get(account.key)
    if (!account.isLoaded || entry === undefined) {
      // An emptied session is gone. The next change begins a new one, which keeps how long it lives.
      account.intent.permanent = view.permanent
      account.intent.lifetime = { value: view.lifetime }
      return
    }
    const seen = entry.versions.filter(({ until }) => until >= account.baseAt)
    const now = seen.findLast(({ content }) => isDeepStrictEqual(content, view))
    this.#claim(account, now !== undefined, `continues from ${show(view)}, which the store never held`)
    if (now === undefined) return
    this.#claim(account, this.#isShown(account), 'saved, but its changes are lost')
    account.intent = new Intent(now.content)
    account.baseAt = Math.max(account.baseAt, now.from)
  }

  /** Checks a resolved `destroy()`: the request's session is gone under every id. */
  checkDestroyed(account: Account): void {
    const entry = account.key === undefined ? undefined : this.#entries.get(account.key)
    account.hasEnded = true
    account.isLoaded = false
    account.isLoose = false
    account.begin(EMPTY, this)
    if (entry === undefined) return
    this.#claim(account, entry.end === 'gone', 'reported the end of a session that still exists')
    this.#claim(
      account,
      this.#dead.has(entry.lineage),
      'reported the end of a session that continues under a new id'
    )
  }

  /** Checks the error of a call in the handler. */
  checkFailure(account: Account, code: string | undefined): void {
    if (code === 'FST_SESSION_UNAVAILABLE') {
      this.seen.refused++
      this.#claim(account, account.refused > 0, 'was refused without a reason')
      const isTrue = account.writes === 0 && !account.isUnheard
      this.#claim(account, isTrue, 'reported that nothing was stored, but a write took effect')
    } else if (code === 'FST_SESSION_UNCERTAIN') {
      this.seen.uncertain++
      this.#claim(account, account.lost > 0, 'reported a lost answer, but none was lost')
    }
  }

  checkAnswer(account: Account, answer: Answer | undefined): void {
    const heir = account.heir === undefined ? undefined : this.#entries.get(account.heir)
    // The browser is offered this id, which is valid only if a tombstone leads to it.
    const isUncertain = answer === undefined ? account.lost > 0 : answer.code === 'FST_SESSION_UNCERTAIN'
    if (heir !== undefined && isUncertain) heir.isOrphan = true
    else this.#claim(account, heir === undefined, 'left a record that no cookie leads to')
    if (answer === undefined) {
      this.#announce(account.key)
      return
    }
    const { status, code, cookie, offered } = answer
    for (const key of offered) this.#announce(key)
    if (status === 200 || status === 400) this.#checkSuccess(account, answer)
    else if (status === 409) this.#checkConflict(account, code)
    else if (status === 503) {
      this.checkFailure(account, code)
      // The session may have a new id that the response could not carry.
      if (code === 'FST_SESSION_UNCERTAIN') this.#announce(account.key)
      else this.#claim(account, code === 'FST_SESSION_UNAVAILABLE', `answered 503 ${code}`)
    } else if (status === 500) {
      const isPlanned =
        code === 'PLANNED' || (code === 'FST_SESSION_DETACHED' && answer.detached !== undefined)
      this.#claim(account, isPlanned, `failed with ${code}`)
      this.#claim(account, account.writes === 0, 'failed, but a write took effect')
    } else this.#fail(account, `answered ${status} ${code}`)
    this.#checkCookie(account, cookie, answer.maxAge)
  }

  #checkSuccess(account: Account, { detached, destroyed, cookie }: Answer): void {
    const entry = account.key === undefined ? undefined : this.#entries.get(account.key)
    if (detached !== undefined) {
      const end = detached === 'moved' ? 'moved' : 'gone'
      if (detached === 'moved') this.seen.moved++
      this.#claim(
        account,
        entry?.end === end,
        `is detached (${detached}) from a session that is ${entry?.end}`
      )
      this.#claim(
        account,
        destroyed === (detached === 'destroyed'),
        'did not report that its session was ended'
      )
      this.#claim(account, !cookie, 'sent a cookie although it has no session')
      const { intent } = account
      const hasSignedIn =
        !account.isLoose && isLogin(intent) && Object.keys(intent.applyTo(EMPTY).data).length > 0
      this.#claim(account, !hasSignedIn, 'looks like a login, but has no session')
      this.#claim(
        account,
        account.writes === 0 || detached !== 'moved',
        'reported lost changes, but stored them'
      )
      return
    }
    if (account.isLoose) return
    this.#checkTouch(account, entry)
    this.#checkRenewal(account, cookie)
    const { intent } = account
    // It wanted the session removed, and another request was first.
    const isRemoved = entry?.end === 'gone' && isEmpty(intent.applyTo(intent.base))
    const isKept = account.isLoaded && !isRemoved ? this.#isShown(account) : isEmpty(intent.applyTo(EMPTY))
    this.#claim(account, isKept, `succeeded, but its changes are lost: ${show([...intent.assigned])}`)
    if (account.writes > 0 && entry?.end === undefined && account.key !== account.cameWith) {
      this.#claim(account, cookie === account.key, 'has a new id, but sends no cookie for it')
    }
  }

  #checkConflict(account: Account, code: string | undefined): void {
    this.seen.clashes++
    const { intent } = account
    const entry = account.key === undefined ? undefined : this.#entries.get(account.key)
    this.#claim(account, code === 'FST_SESSION_CONFLICT', `answered 409 ${code}`)
    this.#claim(account, account.writes === 0, 'was refused, but a write took effect')
    const hasMoved = entry?.end === 'moved' && account.visit.steps.some(needsTheSession)
    const hasEnded = entry?.end === 'gone' && isLogin(intent)
    const isGuarded =
      intent.assigned.has('guard') &&
      this.#wasSeen(account, ({ data }) => !isDeepStrictEqual(data.guard, intent.base.data.guard))
    const isJustified = hasMoved || hasEnded || isGuarded || account.isLoose
    this.#claim(account, isJustified, 'was refused without a reason')
  }

  #checkCookie(account: Account, cookie: string | null | undefined, maxAge: number | undefined): void {
    if (cookie === undefined) return
    if (cookie === null) {
      const { cameWith, hasEnded } = account
      const isGone = cameWith !== undefined && this.#entries.get(cameWith)?.end !== undefined
      this.#claim(account, hasEnded || isGone, 'cleared the cookie of a session that still exists')
      return
    }
    const entry = this.#entries.get(cookie)
    const last = entry?.versions.at(-1)
    this.#claim(
      account,
      last !== undefined && last.until > account.startedAt,
      'sent a cookie that leads to no session'
    )
    this.#claim(account, cookie === account.key, 'sent a cookie for the session of another request')
    if (entry !== undefined) this.#checkMaxAge(account, entry, maxAge)
    this.#announce(cookie)
  }

  #announce(key: string | undefined): void {
    const entry = key === undefined ? undefined : this.#entries.get(key)
    if (entry !== undefined) entry.isKnown = true
  }

  /** Compares the store with the ledger after the last request. */
  checkEnd(stored: ReadonlyMap<string, Uint8Array>): void {
    for (const [key, record] of stored) {
      const entry = this.#entries.get(key)
      if (entry === undefined || entry.end === 'gone')
        this.violations.push('at the end: a record that should be gone')
      else if (isTombstone(record) !== (entry.end === 'moved'))
        this.violations.push('at the end: an unexpected tombstone, or a missing one')
      else if (entry.end === undefined && !isDeepStrictEqual(contentOf(record), this.contentOf(key)))
        this.violations.push('at the end: the content differs')
    }
    const heirs = new Map<number, number>()
    for (const [key, { lineage, end, isKnown, isOrphan }] of this.#entries) {
      if (end !== 'gone' && !stored.has(key)) this.violations.push('at the end: a session is missing')
      if (end !== undefined || isOrphan) continue
      if (!isKnown) this.violations.push('at the end: a session whose cookie no browser got')
      if (this.#dead.has(lineage)) this.violations.push('at the end: an ended session still exists')
      heirs.set(lineage, (heirs.get(lineage) ?? 0) + 1)
    }
    if ([...heirs.values()].some((count) => count > 1))
      this.violations.push('at the end: a session exists under two ids')
  }

  #claim(account: Account, holds: boolean, otherwise: string): void {
    if (!holds) this.#fail(account, otherwise)
  }

  #fail(account: Account, what: string): void {
    this.violations.push(`${this.clock}: ${account.name} ${what}`)
  }
}

type Touch = Extract<Operation, { name: 'touch' }>
type Write = Extract<Operation, { record: Uint8Array }>

function idleTimeoutOf({ permanent, lifetime }: Omit<Content, 'data'>): number {
  return lifetime ?? (permanent ? PERMANENT_LIFETIME : IDLE_TIMEOUT)
}

/** Whether a request with this step may send the cookie, or read the session, before its commit. */
function isInTwoParts(step: Step): boolean {
  return ['save', 'try to save', 'reload', 'destroy'].includes(step.do)
}

function isWrite(operation: Operation): operation is Write {
  return operation.name === 'create' || operation.name === 'update'
}

function isEmpty({ data }: Content): boolean {
  return Object.keys(data).length === 0
}

// Steps that must fail if the session already has another id.
function needsTheSession(step: Step): boolean {
  return step.do === 'destroy' || step.do === 'regenerate' || step.do === 'login'
}

// Whether the request has asked for a new id that keeps only some data.
function isLogin({ keep, regenerate }: Intent): boolean {
  return regenerate && keep !== undefined
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing'
}
