// A limit on how long a promise is waited for.

/** The result of this promise, or the error where it takes longer than so many milliseconds; what it says later is dropped. */
export function within<Result>(
  milliseconds: number,
  promise: Promise<Result>,
  late: () => Error
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), Math.max(0, milliseconds))
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
