// A limit on how long promises are waited for.
import { AsyncResource } from 'node:async_hooks'
import { clearInterval, now, setImmediate, setInterval } from './clock.js'

/** Milliseconds between two looks at what is waited for. */
const TICK = 5
/** A look that comes more milliseconds late than this says that the process stood still, not what it waits for. */
const TOLERANCE = 50

interface Waiting {
  /** As `now()`. */
  until: number
  /** Whether the limit has been put off once, for a process that stood still. */
  isPutOff: boolean
  /** Undefined once it has been settled. */
  giveUp: (() => void) | undefined
}

// One timer and one list for all: a timer for each would cost more than what it watches.
let all: Waiting[] = []
// In no request's context: the timer outlives that of the one that it began with.
const outside = new AsyncResource('fastify-ioredis-session.deadline')
let timer: NodeJS.Timeout | undefined
let lookedAt = 0
let stoodStill = 0

/** As `now()`, without the time for which the event loop was blocked while something was waited for. */
export function awake(): number {
  const at = now()
  return at - stoodStill - lateness(at)
}

/**
 * The result of this promise, or an error if it has not come in time; what it says later is dropped. An event loop that
 * was blocked gives the answers that have come meanwhile one more turn.
 * @param until As `now()`, which is `performance.now()`.
 * @param ended Told of the end as it comes, with the error if it is one.
 */
export function within<Result>(
  until: number,
  promise: Promise<Result>,
  late: () => Error,
  ended: (error?: unknown) => void = () => {}
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      if (waiting.giveUp === undefined) return
      waiting.giveUp = undefined
      reject(errorOf(ended, error))
    }
    const waiting: Waiting = { until, isPutOff: false, giveUp: () => fail(late()) }
    all.push(waiting)
    if (timer === undefined) {
      lookedAt = now()
      timer = outside.runInAsyncScope(setInterval, undefined, look, TICK) as NodeJS.Timeout
    }
    promise.then((result) => {
      if (waiting.giveUp === undefined) return
      waiting.giveUp = undefined
      const failure = errorOf(ended)
      if (failure === undefined) resolve(result)
      else reject(failure)
    }, fail)
  })
}

function lateness(at: number): number {
  const late = at - lookedAt - TICK
  return timer !== undefined && late > TOLERANCE ? late : 0
}

function look(): void {
  const at = now()
  const late = lateness(at)
  lookedAt = at
  stoodStill += late
  if (late === 0) {
    giveUpDue()
    return
  }
  // Once only: a process that is blocked again and again has deadlines too.
  for (const waiting of all) {
    if (waiting.isPutOff) continue
    waiting.isPutOff = true
    waiting.until += late
  }
  // Answers are read between timers and immediates.
  setImmediate(giveUpDue)
}

function giveUpDue(): void {
  const at = now()
  const due = all.filter(({ giveUp, until }) => giveUp !== undefined && until <= at)
  all = all.filter(({ giveUp, until }) => giveUp !== undefined && until > at)
  for (const { giveUp } of due) giveUp?.()
  if (all.length > 0) return
  clearInterval(timer)
  timer = undefined
}

// What it throws itself, a logger for instance, is the error then: nobody else would be told, and others wait behind it.
function errorOf(ended: (error?: unknown) => void, error?: unknown): unknown {
  try {
    ended(error)
    return error
  } catch (failure) {
    return failure
  }
}
