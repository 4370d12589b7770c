// The model: what the store must hold after every operation, and what a response may say. Operations take place one
// at a time, so their order is known; the ledger replays what each request meant to change and compares.
import { isDeepStrictEqual } from 'node:util'
import type { Operation } from './gated-store.js'
import { type Content, EMPTY, Intent } from './intent.js'
import { contentOf, isBare, isMark } from './internals.js'
import type { Fate, Step, Visit } from './plan.js'

interface Version {
  from: number
  /** The instant at which another version took its place, or nothing. */
  until: number
  content: Content
}

/** All that was ever kept under one key. */
interface Entry {
  /** Sessions that came from each other by `regenerate()` are one lineage. */
  lineage: number
  versions: Version[]
  end: 'moved' | 'gone' | undefined
  /** A response has named it in a cookie, or could not. */
  isKnown: boolean
  maker: Account
  /** It was made to take the session of another key. */
  isHeir: boolean
  /** Its maker does not know of it, since an answer was lost, and could not remove it: it leads nobody anywhere. */
  isOrphan: boolean
  /** What was written last, as it was sent. */
  bytes: Uint8Array | undefined
}

/** What the ledger knows of one request. */
export class Account {
  readonly startedAt: number
  intent = new Intent()
  /** When `intent.base` was read or written. */
  baseAt = 0
  /** The key of the session it works with. */
  key: string | undefined
  /** The key it came with. */
  cameWith: string | undefined
  /** The key of the record that is to take its session, while it moves. */
  heir: string | undefined
  /** The step that the handler is at; none in the commit. */
  step: Step['do'] | undefined
  /** Writes of this step, or of the commit; those undone again not counted. */
  writes = 0
  /** How often one commit has met a conflict. */
  conflicts = 0
  /** Operations other than touches that were refused, or whose answer was lost. */
  refused = 0
  lost = 0
  /** A write of its own took place, and it has not heard so. */
  isUnheard = false
  /** It has a session that is stored, as far as it knows. */
  isLoaded = false
  /** It ended its session itself. */
  hasEnded = false
  /** It deleted keys that have rules: what a merge makes of them is not judged. */
  isLoose = false

  constructor(
    readonly name: string,
    readonly visit: Visit,
    ledger: Ledger
  ) {
    this.startedAt = ledger.clock
  }

  begins(step: Step['do'] | undefined): void {
    this.step = step
    this.writes = 0
    this.conflicts = 0
  }

  begin(base: Content, ledger: Ledger): void {
    this.intent = new Intent(base)
    this.baseAt = ledger.clock
  }
}

/** What a response said. */
export interface Answer {
  status: number
  code: string | undefined
  detached: string | undefined
  destroyed: boolean
  /** The key of the session that its cookie names; `null` where it clears the cookie. */
  cookie: string | null | undefined
  /** The keys that its other cookies name, if they name one. */
  offered: string[]
}

export class Ledger {
  /** Counts the operations. */
  clock = 0
  readonly violations: string[] = []
  readonly seen = {
    conflicts: 0,
    /** Commits with two conflicts or more. */
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

  /** The keys under which there is something, a mark included. */
  get keys(): string[] {
    return [...this.#entries].filter(([, { end }]) => end !== 'gone').map(([key]) => key)
  }

  contentOf(key: string): Content | undefined {
    const entry = this.#entries.get(key)
    return entry?.end === undefined ? entry?.versions.at(-1)?.content : undefined
  }

  // ------------------------------------------------------------- operations

  /** An operation that has taken place. Its request may not hear of it. */
  book(account: Account, operation: Operation, outcome: unknown, fate: Fate): void {
    this.clock++
    const { key } = operation
    const entry = this.#entries.get(key)
    if (fate === 'lose' || fate === 'resend') this.#bookFault(account, operation, fate)
    if (fate === 'lose') account.isUnheard ||= outcome === 'done' || outcome === true
    else account.isUnheard = false
    if (isWrite(operation) && entry !== undefined && (outcome === 'done' || outcome === true)) {
      // The same bytes once more change nothing: an earlier answer was lost, or the client has sent them twice.
      if (entry.bytes !== undefined && Buffer.compare(entry.bytes, operation.record) === 0) {
        if (fate !== 'lose') this.#find(account, key, entry)
        return
      }
      entry.bytes = operation.record
    }
    if (operation.name === 'read') {
      if (fate !== 'lose') this.#bookRead(account, key, outcome as Uint8Array | undefined)
    } else if (operation.name === 'create') {
      if (outcome === true) this.#bookCreate(account, key, operation.record, fate === 'lose')
    } else if (outcome === 'missing') {
      this.seen.vanished++
      this.#claim(account, entry?.end === 'gone', `finds nothing under ${key}, where there is a session`)
    } else if (outcome !== 'done') {
      this.seen.conflicts++
      account.conflicts++
      if (account.conflicts === 2) this.seen.twice++
    } else if (entry === undefined || entry.end === 'gone') {
      this.#fail(account, `${operation.name} of a session that is gone took place`)
    } else if (operation.name === 'destroy') this.#bookDestroy(account, key, entry)
    else if (operation.name === 'update') this.#bookUpdate(account, key, entry, operation.record)
    else this.#claim(account, entry.end === undefined, 'touched a mark')
  }

  /** An operation that the store has refused: it did not take place. */
  bookRefusal(account: Account, operation: Operation): void {
    this.clock++
    this.#bookFault(account, operation, 'refuse')
    const { heir } = account
    if (operation.name !== 'destroy' || operation.key !== heir || heir === undefined) return
    // What should have been undone stays.
    const entry = this.#entries.get(heir)
    if (entry !== undefined) entry.isOrphan = true
    account.heir = undefined
    account.writes--
  }

  // A request that only looks is not to fail because of a touch.
  #bookFault(account: Account, { name }: Operation, fate: Fate): void {
    if (name === 'touch') return
    if (fate === 'refuse' || name === 'read') account.refused++
    else account.lost++
  }

  /** Somebody else ended this session. */
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
        'reads nothing where there is a session'
      )
    } else if (isMark(record)) {
      this.#claim(account, entry?.end === 'moved', 'reads a mark where there is none')
      this.#claim(account, isBare(record), 'reads a mark with data')
    } else {
      this.#claim(
        account,
        isDeepStrictEqual(contentOf(record), content),
        'reads something else than was written'
      )
    }
    if (entry?.maker === account && account.step !== 'reload') {
      this.#find(account, key, entry)
      return
    }
    account.cameWith ??= key
    account.key = key
    account.isLoaded = content !== undefined
    account.begin(content ?? EMPTY, this)
  }

  // A request looks whether a record of its own is there.
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

  #bookCreate(account: Account, key: string, bytes: Uint8Array, isLost: boolean): void {
    const content = contentOf(bytes)
    this.#claim(account, !this.#entries.has(key), 'created a session under an id that was used before')
    const parent = account.key === undefined ? undefined : this.#entries.get(account.key)
    const isHeir = account.isLoaded && account.intent.regenerate
    const lineage = (isHeir ? parent?.lineage : undefined) ?? this.#entries.size
    const version = { from: this.clock, until: Number.POSITIVE_INFINITY, content }
    this.#entries.set(key, {
      lineage,
      bytes,
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

  #bookUpdate(account: Account, key: string, entry: Entry, record: Uint8Array): void {
    if (key === account.heir) {
      // Others have changed the session meanwhile: its heir gets that, too.
      entry.versions.push({ from: this.clock, until: Number.POSITIVE_INFINITY, content: contentOf(record) })
      return
    }
    this.#claim(account, key === account.key, 'wrote to a session that is not its own')
    this.#claim(account, entry.end === undefined, 'wrote over a mark')
    account.writes++
    if (isMark(record)) {
      this.#bookMove(account, key)
      return
    }
    const before = entry.versions.at(-1) as Version
    const content = contentOf(record)
    if (before.from > account.baseAt) this.seen.merges++
    this.#compare(account, content, before.content)
    before.until = this.clock
    entry.versions.push({ from: this.clock, until: Number.POSITIVE_INFINITY, content })
    account.begin(content, this)
  }

  #bookMove(account: Account, key: string): void {
    const { heir } = account
    const before = this.contentOf(key)
    const after = heir === undefined ? undefined : this.contentOf(heir)
    this.#end(key, 'moved')
    if (heir === undefined || before === undefined || after === undefined) {
      this.#fail(account, 'left a mark without a record that takes its place')
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
      // A logout ends all that the cookies of its request lead to.
      this.#end(key, 'gone')
      this.#dead.add(entry.lineage)
      return
    }
    this.#claim(account, key === account.key, 'ended a session that is not its own')
    account.writes++
    if (account.step !== 'destroy') {
      const { data } = account.intent.applyTo(this.contentOf(key) ?? EMPTY)
      const isEmpty = Object.keys(data).length === 0
      this.#claim(account, account.isLoose || isEmpty, 'ended a session that has keys')
    }
    this.#claim(account, entry.end === undefined, 'ended a mark')
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

  /** Called for a session that expired or that a store was told to forget. */
  bury(key: string): void {
    const entry = this.#entries.get(key)
    if (entry?.end === undefined && entry !== undefined) this.#dead.add(entry.lineage)
    this.bookExpiry(key)
  }

  // What was written is what was there, and this request's changes.
  #compare(account: Account, written: Content, before: Content): void {
    const { intent, isLoose } = account
    if (isLoose) return
    if (intent.assigned.has('guard')) {
      const base = intent.kept(intent.base.data).guard
      this.#claim(
        account,
        isDeepStrictEqual(intent.kept(before.data).guard, base),
        'wrote over a change of the key whose rule is conflict'
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
  }

  // Without a write of its own: at one instant since the request read it, the session was as this request would have
  // left it.
  #isShown(account: Account): boolean {
    const { intent } = account
    return intent.isShownBy(intent.base) || this.#wasSeen(account, (content) => intent.isShownBy(content))
  }

  // Whether the session has been like this at any time since the request read it.
  #wasSeen(account: Account, test: (content: Content) => boolean): boolean {
    const entry = account.key === undefined ? undefined : this.#entries.get(account.key)
    return (
      entry?.versions.some(
        ({ from, until, content }) => until > account.baseAt && from >= account.baseAt && test(content)
      ) ?? false
    )
  }

  // ------------------------------------------------------------- steps and responses

  /** The session as a handler sees it: what the store held when the request read it, and its own changes. */
  checkView(account: Account, data: unknown): void {
    if (account.isLoose) return
    const expected = account.intent.applyTo(account.intent.base).data
    this.#claim(account, isDeepStrictEqual(data, expected), `sees ${show(data)} instead of ${show(expected)}`)
  }

  /** `save()` has resolved: the session goes on from what the store held at an instant since it was read. */
  checkSaved(account: Account, data: unknown, permanent: boolean): void {
    account.isLoose = false
    const entry = account.key === undefined ? undefined : this.#entries.get(account.key)
    if (!account.isLoaded || entry === undefined) {
      // An emptied session is gone, and what is set next begins one that is as permanent as this one says.
      account.intent.permanent = permanent
      return
    }
    const seen = entry.versions.filter(({ until }) => until >= account.baseAt)
    const now = seen.findLast(({ content }) => isDeepStrictEqual(content, { data, permanent }))
    this.#claim(account, now !== undefined, `goes on from ${show(data)}, which was never there`)
    if (now === undefined) return
    this.#claim(account, this.#isShown(account), 'saved, and its changes are lost')
    account.intent = new Intent(now.content)
    account.baseAt = Math.max(account.baseAt, now.from)
  }

  /** `destroy()` has resolved: the session that this request had is no more, under any id. */
  checkDestroyed(account: Account): void {
    const entry = account.key === undefined ? undefined : this.#entries.get(account.key)
    account.hasEnded = true
    account.isLoaded = false
    account.isLoose = false
    account.begin(EMPTY, this)
    if (entry === undefined) return
    this.#claim(account, entry.end === 'gone', 'seemed to end a session that lives')
    this.#claim(account, this.#dead.has(entry.lineage), 'seemed to end a session that had moved')
  }

  /** What a request asked for in its handler was refused, or may have been. */
  checkFailure(account: Account, code: string | undefined): void {
    if (code === 'FST_SESSION_UNAVAILABLE') {
      this.seen.refused++
      this.#claim(account, account.refused > 0, 'was refused without a reason')
      const isTrue = account.writes === 0 && !account.isUnheard
      this.#claim(account, isTrue, 'was told that nothing was stored, and left a trace')
    } else if (code === 'FST_SESSION_UNCERTAIN') {
      this.seen.uncertain++
      this.#claim(account, account.lost > 0, 'was told that an answer was lost')
    }
  }

  checkAnswer(account: Account, answer: Answer | undefined): void {
    const heir = account.heir === undefined ? undefined : this.#entries.get(account.heir)
    // The browser is offered its id, which counts only if a mark leads to it.
    if (heir !== undefined && answer?.code === 'FST_SESSION_UNCERTAIN') heir.isOrphan = true
    else this.#claim(account, heir === undefined, 'left a record behind that nobody knows')
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
      // Perhaps it has a new id that it could not be told of.
      if (code === 'FST_SESSION_UNCERTAIN') this.#announce(account.key)
      else this.#claim(account, code === 'FST_SESSION_UNAVAILABLE', `answered 503 ${code}`)
    } else if (status === 500) {
      const isMeant = code === 'MEANT' || (code === 'FST_SESSION_DETACHED' && answer.detached !== undefined)
      this.#claim(account, isMeant, `failed with ${code}`)
      this.#claim(account, account.writes === 0, 'failed, and left a trace')
    } else this.#fail(account, `answered ${status} ${code}`)
    this.#checkCookie(account, cookie)
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
        'was not told that its session was ended'
      )
      this.#claim(account, !cookie, 'sent a cookie with a session that it does not have')
      this.#claim(
        account,
        account.writes === 0 || detached !== 'moved',
        'said that its changes are lost, and has stored them'
      )
      return
    }
    if (account.isLoose) return
    const { intent } = account
    const isKept = account.isLoaded
      ? this.#isShown(account)
      : Object.keys(intent.applyTo(EMPTY).data).length === 0
    this.#claim(account, isKept, `succeeded, and its changes are lost: ${show([...intent.assigned])}`)
    if (account.writes > 0 && entry?.end === undefined && account.key !== account.cameWith) {
      this.#claim(account, cookie === account.key, 'has a new id, and sends no cookie for it')
    }
  }

  #checkConflict(account: Account, code: string | undefined): void {
    this.seen.clashes++
    const { intent } = account
    const entry = account.key === undefined ? undefined : this.#entries.get(account.key)
    this.#claim(account, code === 'FST_SESSION_CONFLICT', `answered 409 ${code}`)
    this.#claim(account, account.writes === 0, 'was refused, and left a trace')
    const hasMoved = entry?.end === 'moved' && account.visit.steps.some(needsTheSession)
    const isGuarded =
      intent.assigned.has('guard') &&
      this.#wasSeen(account, ({ data }) => !isDeepStrictEqual(data.guard, intent.base.data.guard))
    this.#claim(account, hasMoved || isGuarded || account.isLoose, 'was refused without a reason')
  }

  #checkCookie(account: Account, cookie: string | null | undefined): void {
    if (cookie === undefined) return
    if (cookie === null) {
      const { cameWith, hasEnded } = account
      const isGone = cameWith !== undefined && this.#entries.get(cameWith)?.end !== undefined
      this.#claim(account, hasEnded || isGone, 'cleared the cookie of a session that goes on')
      return
    }
    const entry = this.#entries.get(cookie)
    const last = entry?.versions.at(-1)
    this.#claim(account, last !== undefined && last.until > account.startedAt, 'sent a cookie for nothing')
    this.#claim(account, cookie === account.key, 'sent a cookie for a session that is not its own')
    this.#announce(cookie)
  }

  #announce(key: string | undefined): void {
    const entry = key === undefined ? undefined : this.#entries.get(key)
    if (entry !== undefined) entry.isKnown = true
  }

  /** When all requests are done: what the store holds is what the ledger says. */
  checkEnd(stored: ReadonlyMap<string, Uint8Array>): void {
    for (const [key, record] of stored) {
      const entry = this.#entries.get(key)
      if (entry === undefined || entry.end === 'gone')
        this.violations.push('in the end: a record that should be gone')
      else if (isMark(record) !== (entry.end === 'moved')) this.violations.push('in the end: a mark, or none')
      else if (entry.end === undefined && !isDeepStrictEqual(contentOf(record), this.contentOf(key)))
        this.violations.push('in the end: other contents')
    }
    const heirs = new Map<number, number>()
    for (const [key, { lineage, end, isKnown, isOrphan }] of this.#entries) {
      if (end !== 'gone' && !stored.has(key)) this.violations.push('in the end: a session is missing')
      if (end !== undefined || isOrphan) continue
      if (!isKnown) this.violations.push('in the end: a session that no browser was told of')
      if (this.#dead.has(lineage)) this.violations.push('in the end: a session that was ended lives')
      heirs.set(lineage, (heirs.get(lineage) ?? 0) + 1)
    }
    if ([...heirs.values()].some((count) => count > 1))
      this.violations.push('in the end: a session lives twice')
  }

  #claim(account: Account, holds: boolean, otherwise: string): void {
    if (!holds) this.#fail(account, otherwise)
  }

  #fail(account: Account, what: string): void {
    this.violations.push(`${this.clock}: ${account.name} ${what}`)
  }
}

function isWrite(operation: Operation): operation is Extract<Operation, { record: Uint8Array }> {
  return operation.name === 'create' || operation.name === 'update'
}

// What must not seem to have been done to a session that went on under another id.
function needsTheSession(step: Step): boolean {
  return step.do === 'destroy' || step.do === 'regenerate' || step.do === 'login'
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing'
}
