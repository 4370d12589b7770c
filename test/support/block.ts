// Blocks the event loop without using the processor, which other tests need.
const never = new Int32Array(new SharedArrayBuffer(4))

export function block(milliseconds: number): void {
  Atomics.wait(never, 0, 0, milliseconds)
}
