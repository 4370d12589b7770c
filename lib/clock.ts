// Timers, taken when this package was loaded: a test's fake timers must not stop reads or deadlines.
// `Date.now` is not taken. A test that moves it wants sessions to expire.
const { clearInterval, clearTimeout, performance, setImmediate, setInterval, setTimeout } = globalThis

export { clearInterval, clearTimeout, setImmediate, setInterval, setTimeout }

// Take the function itself: fake timers replace the method on its object.
const read = performance.now

/** The same as `performance.now()`. */
export function now(): number {
  return read.call(performance)
}

/** Resolves after this many milliseconds. It does not keep the process alive. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref()
  })
}
