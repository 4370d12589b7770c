// Limits how long a caller waits for a promise.
import { AsyncResource } from 'node:async_hooks'
import { clearInterval, now, setImmediate, setInterval } from './clock.js'

/** Milliseconds between two checks of the deadlines. */
const TICK = 5
/** If a check is more milliseconds late than this, the process stood still, and the promises are not to blame. */
const TOLERANCE = 50

const deferred = Symbol('deferred')

/** A promise that is settled from outside. `within` limits it itself: a second promise for each command would cost more. */
export class Deferred<Result> {
  readonly promise: Promise<Result>
  #resolve!: (result: Result) => void
  #reject!: (error: unknown) => void
  /** Whether it has not been settled. */
  isOpen = true
  /** The deadline, on the clock of `now()`. */
  until = Number.POSITIVE_INFINITY
  /** Whether the deadline was already extended once because the process stood still. */
  isExtended = false
  #late: (() => Error) | undefined
  #ended: ((error?: unknown) => void) | undefined

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    ;(this.promise as Deferring<Result>)[deferred] = this
  }

  /** Whether nobody has limited it, and it is not settled. */
  get isUnlimited(): boolean {
    return this.isOpen && this.#late === undefined
  }

  limit(until: number, late: () => Error, ended?: (error?: unknown) => void): void {
    this.until = until
    this.#late = late
    this.#ended = ended
  }

  resolve(result: Result): void {
    if (!this.isOpen) return
    const failure = this.#end(undefined)
    if (failure === undefined) this.#resolve(result)
    else this.#reject(failure)
  }

  reject(error: unknown): void {
    if (this.isOpen) this.#reject(this.#end(error))
  }

  giveUp(): void {
    if (this.isOpen) this.reject(this.#late?.())
  }

  // If the callback itself throws, as a logger may, its error is the result: nothing else would report it, and the other
  // promises in the list would not be checked.
  #end(error: unknown): unknown {
    this.isOpen = false
    try {
      this.#ended?.(error)
      return error
    } catch (failure) {
      return failure
    }
  }
}

type Waiting = Pick<Deferred<unknown>, 'giveUp' | 'isExtended' | 'isOpen' | 'until'>
type Deferring<Result> = Promise<Result> & { [deferred]?: Deferred<Result> }

// One timer and one list serve all promises: a timer for each would cost more than the promise.
let all: Waiting[] = []
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
  const own = (promise as Deferring<Result>)[deferred]
  const limited = own?.isUnlimited ? own : following(promise)
  limited.limit(until, late, ended)
  all.push(limited)
  if (timer === undefined) {
    checkedAt = now()
    timer = outside.runInAsyncScope(setInterval, undefined, check, TICK) as NodeJS.Timeout
  }
  return limited.promise
}

function following<Result>(promise: Promise<Result>): Deferred<Result> {
  const follower = new Deferred<Result>()
  promise.then(
    (result) => follower.resolve(result),
    (error) => follower.reject(error)
  )
  return follower
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
  const open = all.filter(({ isOpen }) => isOpen)
  const due = open.filter(({ until }) => until <= at)
  all = due.length === 0 ? open : open.filter(({ until }) => until > at)
  for (const each of due) each.giveUp()
  if (all.length > 0) return
  clearInterval(timer)
  timer = undefined
}
