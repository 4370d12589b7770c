// Limits how long a caller waits for a promise.
import { AsyncResource } from 'node:async_hooks'
import { clearInterval, now, setImmediate, setInterval } from './clock.js'

/** Milliseconds between two checks of the deadlines. */
const TICK = 5
/** If a check is more milliseconds late than this, the process stood still, and the promises are not to blame. */
const TOLERANCE = 50

/** Someone who waits for a promise. */
class Waiting<Result> {
  readonly promise: Promise<Result>
  #resolve!: (result: Result) => void
  #reject!: (error: unknown) => void
  readonly #late: () => Error
  readonly #ended: ((error?: unknown) => void) | undefined
  /** The deadline, on the clock of `now()`. */
  until: number
  /** Whether the deadline was already extended once because the process stood still. */
  isExtended = false
  isOver = false

  constructor(until: number, promise: Promise<Result>, late: () => Error, ended?: (error?: unknown) => void) {
    this.until = until
    this.#late = late
    this.#ended = ended
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      promise.then(
        (result) => this.#succeed(result),
        (error) => this.#fail(error)
      )
    })
  }

  giveUp(): void {
    this.#fail(this.#late())
  }

  #succeed(result: Result): void {
    if (this.isOver) return
    const failure = this.#end(undefined)
    if (failure === undefined) this.#resolve(result)
    else this.#reject(failure)
  }

  #fail(error: unknown): void {
    if (!this.isOver) this.#reject(this.#end(error))
  }

  // If the callback itself throws, as a logger may, its error is the result: nothing else would report it, and the other
  // promises in the list would not be checked.
  #end(error: unknown): unknown {
    this.isOver = true
    try {
      this.#ended?.(error)
      return error
    } catch (failure) {
      return failure
    }
  }
}

// One timer and one list serve all promises: a timer for each would cost more than the promise.
let all: Omit<Waiting<unknown>, 'promise'>[] = []
// The timer runs in no request's async context, since it outlives the request that started it.
const outside = new AsyncResource('fastify-ioredis-session.deadline')
let timer: NodeJS.Timeout | undefined
let checkedAt = 0
/** Milliseconds for which the event loop was blocked, in total. */
let blockedFor = 0

/**
 * As `now()`, without the time for which the event loop was blocked during a wait.
 * @param at What `now()` has just returned.
 */
export function awake(at = now()): number {
  return at - blockedFor - lateness(at)
}

/**
 * Settles like this promise, or rejects with `late()` at the deadline; a later result is dropped. If the event loop was
 * blocked, answers that arrived meanwhile get one more turn.
 * @param until The deadline, on the clock of `now()`, which is `performance.now()`.
 * @param ended Called as soon as the wait ends, with the error if there is one.
 */
export function within<Result>(
  until: number,
  promise: Promise<Result>,
  late: () => Error,
  ended?: (error?: unknown) => void
): Promise<Result> {
  const waiting = new Waiting(until, promise, late, ended)
  all.push(waiting)
  if (timer === undefined) {
    checkedAt = now()
    timer = outside.runInAsyncScope(setInterval, undefined, check, TICK) as NodeJS.Timeout
  }
  return waiting.promise
}

function lateness(at: number): number {
  const late = at - checkedAt - TICK
  return timer !== undefined && late > TOLERANCE ? late : 0
}

function check(): void {
  const at = now()
  const late = lateness(at)
  checkedAt = at
  blockedFor += late
  if (late === 0) {
    giveUpDue()
    return
  }
  // Extend each deadline only once: it must end even in a process that is blocked again and again.
  for (const waiting of all) {
    if (waiting.isExtended) continue
    waiting.isExtended = true
    waiting.until += late
  }
  // The event loop reads answers after timers and before immediates.
  setImmediate(giveUpDue)
}

function giveUpDue(): void {
  const at = now()
  // Most have settled since the last check.
  const open = all.filter(({ isOver }) => !isOver)
  const due = open.filter(({ until }) => until <= at)
  all = due.length === 0 ? open : open.filter(({ until }) => until > at)
  for (const waiting of due) waiting.giveUp()
  if (all.length > 0) return
  clearInterval(timer)
  timer = undefined
}
