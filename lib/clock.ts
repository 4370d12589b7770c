// Timers as they were when this package was loaded: fake timers of a test must not stop reads or deadlines.
// `Date.now` is not among them. A test that moves it wants sessions to expire.
const { clearInterval, clearTimeout, performance, setImmediate, setInterval, setTimeout } = globalThis

export { clearInterval, clearTimeout, setImmediate, setInterval, setTimeout }

// The function itself, since fake timers replace it on its object.
const read = performance.now

/** As `performance.now()`. */
export function now(): number {
  return read.call(performance)
}

/** Resolves after so many milliseconds. It does not keep the process alive. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref()
  })
}
