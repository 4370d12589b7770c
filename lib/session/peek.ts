// Values that a route reads with `peek()`. The commit does not compare them, so a change inside one may be lost.
import type { Buffer } from 'node:buffer'
import type { Codec } from '../data/codec.js'
import { keyName } from '../data/key-names.js'
import { type Log, report } from '../events.js'
import type { Draft } from './draft.js'

type Immutable = Date | RegExp | URL | Error | ((...args: never[]) => unknown)

/** A value whose properties, elements and entries cannot be assigned, at any depth. */
export type DeepReadonly<T> = T extends Immutable
  ? T
  : T extends Map<infer Key, infer Value>
    ? ReadonlyMap<DeepReadonly<Key>, DeepReadonly<Value>>
    : T extends Set<infer Value>
      ? ReadonlySet<DeepReadonly<Value>>
      : T extends object
        ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
        : T

interface Peeked {
  value: unknown
  /** What it encoded to when it was handed out. */
  encoded: Buffer
}

/** Detects changes inside values that were only peeked at. Outside production only, because it encodes each twice. */
export class PeekCheck {
  readonly #peeked = new WeakMap<Draft, Map<string, Peeked>>()

  /** Call it before handing out a value for reading only. */
  note(draft: Draft, key: string, value: unknown, codec: Codec): void {
    let peeked = this.#peeked.get(draft)
    if (peeked === undefined) {
      peeked = new Map()
      this.#peeked.set(draft, peeked)
    }
    if (peeked.get(key)?.value === value) return
    const encoded = encode(value, codec)
    if (encoded !== undefined) peeked.set(key, { value, encoded })
  }

  /** Reports values that have changed since, unless the commit may have stored the change. */
  check(session: { draft: Draft; handle: string }, codec: Codec, log: Log): void {
    const { draft } = session
    const peeked = this.#peeked.get(draft)
    if (peeked === undefined || draft.mayDiffer || !draft.isDecoded) return
    const { handle } = session
    for (const [key, { value, encoded }] of peeked) {
      if (draft.data[key] !== value || encode(value, codec)?.equals(encoded) === true) continue
      const name = keyName(key)
      report(
        log,
        'warn',
        { type: 'peeked', handle, key: name },
        `session key ${name} was changed through peek(), so the change may be lost: read it with get()`
      )
    }
    this.#peeked.delete(draft)
  }
}

function encode(value: unknown, codec: Codec): Buffer | undefined {
  try {
    return codec.encode({ value }).payload
  } catch {
    return undefined
  }
}
