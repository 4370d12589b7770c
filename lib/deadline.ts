// A limit on how long promises are waited for.
import { AsyncResource } from 'node:async_hooks'

/** Milliseconds between two looks at what is waited for. */
const TICK = 5

interface Waiting {
  /** As `performance.now()`. */
  readonly until: number
  /** Undefined once it has been settled. */
  giveUp: (() => void) | undefined
}

// One timer and one list for all: a timer for each would cost more than what it watches.
let all: Waiting[] = []
// In no request's context: the timer outlives that of the one that it began with.
const outside = new AsyncResource('fastify-ioredis-session.deadline')
let timer: NodeJS.Timeout | undefined

/**
 * The result of this promise, or the error where it has not come by then; what it says later is dropped.
 * @param until As `performance.now()`.
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
      reject(told(ended, error))
    }
    const waiting: Waiting = { until, giveUp: () => fail(late()) }
    all.push(waiting)
    timer ??= outside.runInAsyncScope(setInterval, undefined, look, TICK) as NodeJS.Timeout
    promise.then((result) => {
      if (waiting.giveUp === undefined) return
      waiting.giveUp = undefined
      const failure = told(ended)
      if (failure === undefined) resolve(result)
      else reject(failure)
    }, fail)
  })
}

function look(): void {
  const now = performance.now()
  const due = all.filter(({ giveUp, until }) => giveUp !== undefined && until <= now)
  all = all.filter(({ giveUp, until }) => giveUp !== undefined && until > now)
  for (const { giveUp } of due) giveUp?.()
  if (all.length > 0) return
  clearInterval(timer)
  timer = undefined
}

// What it throws itself, a logger for instance, is the error then: nobody else would be told, and others wait behind it.
function told(ended: (error?: unknown) => void, error?: unknown): unknown {
  try {
    ended(error)
    return error
  } catch (failure) {
    return failure
  }
}
