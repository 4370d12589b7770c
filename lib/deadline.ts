// A limit on how long promises are waited for.

/** Milliseconds between two looks at what is pending. */
const TICK = 5

interface Pending {
  until: number
  giveUp(): void
}

// One timer for all: one for each would cost more than what it watches.
const pending = new Set<Pending>()
let timer: NodeJS.Timeout | undefined

/** The result of this promise, or the error where it takes longer than so many milliseconds; what it says later is dropped. */
export function within<Result>(
  milliseconds: number,
  promise: Promise<Result>,
  late: () => Error
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const waiting = { until: performance.now() + milliseconds, giveUp: () => reject(late()) }
    pending.add(waiting)
    timer ??= setInterval(look, TICK)
    promise.then(
      (result) => {
        pending.delete(waiting)
        resolve(result)
      },
      (error) => {
        pending.delete(waiting)
        reject(error)
      }
    )
  })
}

function look(): void {
  if (pending.size === 0) {
    clearInterval(timer)
    timer = undefined
  }
  const now = performance.now()
  for (const waiting of pending) {
    if (waiting.until > now) continue
    pending.delete(waiting)
    waiting.giveUp()
  }
}
