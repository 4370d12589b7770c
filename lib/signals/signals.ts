// The sessions that this process watches for `session.signal`. A report says only that something happened to a record.
// The record then shows what: the session has ended, has moved to a new id, or lives longer than it was known to.
import { clearInterval, clearTimeout, setInterval, setTimeout } from '../clock.js'
import type { Log } from '../events.js'
import { expiresAt } from '../records/expiry.js'
import type { Header } from '../records/record.js'
import { lookUp } from '../request/lookup.js'
import type { Context } from '../request/parts.js'
import type { SessionSignals, Watcher } from '../request/signals.js'
import { named, openRecords } from '../sessions/access.js'
import { connectionKind } from '../stores/replies.js'
import type { EndListener, EndReports, WatchEnds } from '../stores/store.js'
import { LogThrottle } from '../throttle.js'
import { SignalWatcher } from './watcher.js'

/** Milliseconds between two looks at sessions whose end nothing would report. */
const LOOK_INTERVAL = 1_000
/** Milliseconds for which a record may still be there after it has expired by the clock of this process. */
const LATENESS = 250
/** The most milliseconds that a timer accepts. */
const MAX_TIMER = 2 ** 31 - 1

/** A session, and those who want to know when it ends. */
export interface Watched {
  readonly handle: string
  readonly watchers: Set<SignalWatcher>
  expiry: NodeJS.Timeout | undefined
  /** Whether a look is under way, and another one has to follow because something has happened since it began. */
  looking: 'not' | 'now' | 'again'
  /** Whether the last look has failed. */
  isDoubtful: boolean
}

export class Signals implements SessionSignals, EndListener {
  readonly #context: Context
  readonly #watchEnds: WatchEnds
  readonly #log: Log
  readonly #warnings = new LogThrottle()
  readonly #watched = new Map<string, Watched>()
  /** Undefined until somebody watches a session. */
  #timer: NodeJS.Timeout | undefined
  #reports: EndReports | undefined
  #wasIdle = false

  /** @param watchEnds The method `watch` of the store. */
  constructor(context: Context, watchEnds: WatchEnds, log: Log) {
    this.#context = context
    this.#watchEnds = watchEnds
    this.#log = log
  }

  createWatcher(): Watcher {
    return new SignalWatcher(this)
  }

  /** @param header The header of its record, as far as it is known. */
  add(watcher: SignalWatcher, handle: string, header?: Header): Watched {
    this.#start()
    const watched = this.#watched.get(handle) ?? {
      handle,
      watchers: new Set(),
      expiry: undefined,
      looking: 'not',
      isDoubtful: false
    }
    this.#watched.set(handle, watched)
    watched.watchers.add(watcher)
    if (header !== undefined) this.#arm(watched, header)
    // It may have ended since the request has read it.
    if (this.#isLive) this.#look(watched)
    return watched
  }

  remove(watcher: SignalWatcher, watched: Watched): void {
    watched.watchers.delete(watcher)
    if (watched.watchers.size === 0) this.#forget(watched)
  }

  ended(key: string): void {
    const watched = this.#watched.get(key.slice(this.#context.prefix.length))
    if (watched !== undefined) this.#look(watched)
  }

  missed(): void {
    for (const watched of this.#watched.values()) this.#look(watched)
  }

  failed(error: Error): void {
    const kind = connectionKind(error)
    if (!this.#warnings.isDue(kind)) return
    this.#log.warn(
      { redis: kind },
      `ended sessions are not reported: the subscription failed with ${kind}; until it works, each watched session is ` +
        'read once a second: check the server, and whether its user may subscribe'
    )
  }

  /** Aborts nothing. */
  close(): void {
    for (const watched of this.#watched.values()) this.#forget(watched)
    this.#stop()
  }

  get #isLive(): boolean {
    return this.#reports?.isLive === true
  }

  #start(): void {
    this.#wasIdle = false
    if (this.#timer !== undefined) return
    const timer = setInterval(() => this.#tick(), LOOK_INTERVAL).unref()
    this.#timer = timer
    this.#open(timer).catch((error) => this.failed(error))
  }

  async #open(timer: NodeJS.Timeout): Promise<void> {
    const reports = await this.#watchEnds(this, this.#context.timeout)
    // Closed meanwhile.
    if (this.#timer !== timer) return reports.close()
    this.#reports = reports
    if (reports.isLive) this.missed()
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#reports?.close()
    this.#reports = undefined
  }

  #tick(): void {
    const isIdle = this.#watched.size === 0
    // Not at once: the next request may watch a session again.
    if (isIdle && this.#wasIdle) this.#stop()
    this.#wasIdle = isIdle
    const isLive = this.#isLive
    for (const watched of this.#watched.values()) if (!isLive || watched.isDoubtful) this.#look(watched)
  }

  #look(watched: Watched): void {
    if (watched.looking === 'not') void this.#lookUntilClear(watched)
    else watched.looking = 'again'
  }

  async #lookUntilClear(watched: Watched): Promise<void> {
    do {
      watched.looking = 'now'
      watched.isDoubtful = !(await this.#lookOnce(watched))
    } while (isAgain(watched))
    watched.looking = 'not'
  }

  /** @returns Whether the store has answered. */
  async #lookOnce(watched: Watched): Promise<boolean> {
    const { records } = openRecords(this.#context)
    const found = await lookUp(named(watched.handle), records, this.#context).catch(() => undefined)
    if (found === undefined) return false
    if (found.state === 'living') this.#arm(watched, found.record.header)
    else if (found.state === 'missing') this.#end(watched, records.endedBecause)
    else if (found.state === 'moved') {
      if (found.keepsData && found.successor !== undefined) this.#move(watched, found.successor)
      else this.#end(watched)
    }
    return true
  }

  // Looks again when the session should have expired, since touches of other processes extend it.
  #arm(watched: Watched, header: Header): void {
    clearTimeout(watched.expiry)
    // Released meanwhile.
    if (watched.watchers.size === 0) return
    const left = expiresAt(header, this.#context.lifetimes) - Date.now()
    const delay = left > 0 ? Math.min(left + LATENESS, MAX_TIMER) : LOOK_INTERVAL
    watched.expiry = setTimeout(() => this.#look(watched), delay).unref()
  }

  #move(watched: Watched, successor: string): void {
    this.#forget(watched)
    for (const watcher of watched.watchers) watcher.follow(successor)
    const next = this.#watched.get(successor)
    if (next !== undefined) this.#look(next)
  }

  #end(watched: Watched, reason?: string): void {
    this.#forget(watched)
    for (const watcher of watched.watchers) watcher.end(reason)
  }

  #forget(watched: Watched): void {
    clearTimeout(watched.expiry)
    if (this.#watched.get(watched.handle) === watched) this.#watched.delete(watched.handle)
  }
}

// A function, because the compiler does not know that the field may have changed.
function isAgain({ looking }: Watched): boolean {
  return looking === 'again'
}
