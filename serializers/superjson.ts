// superjson: JSON with a note of the types it has no word for, and of objects that occur twice.
import { Buffer } from 'node:buffer'
import type { SuperJSON, SuperJSONResult } from 'superjson'
import { type Dictionary, MAX_COSTLY, MAX_DEPTH, MAX_ENTRIES, type Serializer, textOf } from './serializer.js'

let instance: SuperJSON

export const superjson: Serializer = {
  name: 'superjson',
  tag: 2,
  async load() {
    const { SuperJSON } = await import('superjson')
    // dedupe: an object graph with shared parts would otherwise grow exponentially.
    instance = new SuperJSON({ dedupe: true })
    instance.registerCustom(
      { isApplicable: isBinary, serialize: binaryToText, deserialize: textToBinary },
      'binary'
    )
  },
  encode: (data) => instance.stringify(data),
  decode(bytes) {
    const document: Document = JSON.parse(textOf(bytes))
    if (!Object.hasOwn(document, 'json')) throw new TypeError('not superjson')
    return new Reader(document).read()
  }
}

interface Document {
  json: unknown
  meta?: { values?: Annotation; referentialEqualities?: Equalities | [string[], Equalities?] }
}
/** A type and the types of what is inside, by path; or those alone. */
type Annotation = [type: string | string[], inside?: Paths] | Paths
type Paths = { [path: string]: Annotation }
type Equalities = { [path: string]: string[] }
type Place = [parent: Record<string, unknown>, key: string]

// The library's own way back searches each path from the root, and Sets and Maps element by element: a megabyte of
// hostile paths keeps it busy for minutes. It also loses elements of a Set whose objects occur elsewhere too. This one
// goes once through the document, and turns lists into Sets and Maps when all that is in them is in its place.
class Reader {
  readonly #document: Document
  readonly #holder: { json: unknown }
  readonly #elements = new Map<unknown, unknown[]>()
  #depth = 0
  #entries = 0
  #costly = 0

  constructor(document: Document) {
    this.#document = document
    this.#holder = { json: document.json }
  }

  read(): Dictionary {
    const { values, referentialEqualities } = this.#document.meta ?? {}
    const root: Place = [this.#holder, 'json']
    if (values !== undefined) this.#annotate(root, values)
    if (referentialEqualities !== undefined) this.#join(root, referentialEqualities)
    for (const [collection, elements] of this.#elements) {
      if (collection instanceof Set) for (const element of elements) collection.add(element)
      else
        for (const [key, value] of elements as [unknown, unknown][])
          (collection as Map<unknown, unknown>).set(key, value)
    }
    return this.#holder.json as Dictionary
  }

  #annotate([parent, key]: Place, annotation: Annotation): void {
    const [type, inside = {}] = Array.isArray(annotation) ? annotation : [undefined, annotation]
    // A text would have its characters for paths, and each of them itself again.
    if (!isObject(inside)) throw new TypeError('types that are no object')
    if (++this.#depth > MAX_DEPTH) throw new RangeError('types nested too deep')
    for (const [path, inner] of Object.entries(inside)) {
      this.#annotate(this.#find([parent, key], path), inner)
    }
    this.#depth--
    if (type !== undefined) parent[key] = this.#revive(parent[key], type)
  }

  #revive(value: unknown, type: string | string[]): unknown {
    // A value has one type: who names a second one wants work done twice, or a thousand times.
    if (!isPlainJson(value)) throw new TypeError('a value with two types')
    if (type === 'set' || type === 'map') {
      if (!Array.isArray(value)) throw new TypeError('a collection that is no list')
      this.#entries += 1 + value.length
      if (this.#entries > MAX_ENTRIES) throw new RangeError('too many entries')
      const collection = type === 'set' ? new Set() : new Map()
      this.#elements.set(collection, value)
      return collection
    }
    if ((type === 'Error' || type === 'regexp' || type === 'URL') && ++this.#costly > MAX_COSTLY) {
      throw new RangeError('too many Errors, regular expressions and URLs')
    }
    // Typed arrays as the library writes them may ask for gigabytes in 90 bytes. We write base64 (below).
    if (type[0] === 'typed-array') throw new TypeError('a typed array of unbounded length')
    return instance.deserialize({ json: value, meta: { values: [type], v: 1 } } as SuperJSONResult, {
      inPlace: true
    })
  }

  // Puts one and the same object where each of these paths leads.
  #join(root: Place, equalities: Equalities | [string[], Equalities?]): void {
    const [ofRoot, others = {}] = Array.isArray(equalities) ? equalities : [[], equalities]
    const join = ([parent, key]: Place, paths: string[]) => {
      for (const path of paths) {
        const [otherParent, otherKey] = this.#find(root, path)
        otherParent[otherKey] = parent[key]
      }
    }
    join(root, ofRoot)
    for (const [path, paths] of Object.entries(others)) join(this.#find(root, path), paths)
  }

  // Only to what is there, under its one name: no path leads to a prototype, nor twice to an element as "0" and "00".
  #find(from: Place, path: string): Place {
    let [parent, key] = from
    for (const next of keysOf(path)) {
      const value = parent[key]
      parent = (this.#elements.get(value) ?? value) as Record<string, unknown>
      const isLength = next === 'length' && Array.isArray(parent)
      if (isLength || !Object.hasOwn(parent, next)) throw new TypeError('a path that leads nowhere')
      key = next
    }
    return [parent, key]
  }
}

// A path is keys between dots, with a backslash before each dot and backslash of their own.
function keysOf(path: string): string[] {
  const keys = ['']
  for (const [token] of path.matchAll(/\\.|[^\\.]+|\./gs)) {
    if (token === '.') keys.push('')
    else keys[keys.length - 1] += token.startsWith('\\') ? token.slice(1) : token
  }
  return keys
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isPlainJson(value: unknown): boolean {
  if (!isObject(value) || Array.isArray(value)) return true
  return Object.getPrototypeOf(value) === Object.prototype
}

const binaryTypes = {
  ArrayBuffer,
  Buffer,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView
} as const
type Binary = InstanceType<(typeof binaryTypes)[keyof typeof binaryTypes]>

function isBinary(value: unknown): value is Binary {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer
}

function binaryToText(value: Binary): [string, string] {
  const { name } = value.constructor
  // A subclass, say: nothing that could not be read back is stored.
  if (!Object.hasOwn(binaryTypes, name)) throw new TypeError('an unknown type of binary data')
  const bytes = ArrayBuffer.isView(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : Buffer.from(value)
  return [name, bytes.toString('base64')]
}

function textToBinary([name, text]: [string, unknown]): Binary {
  if (typeof text !== 'string') throw new TypeError('binary data that is no text')
  const bytes = Uint8Array.from(Buffer.from(text, 'base64')).buffer
  if (name === 'ArrayBuffer') return bytes
  if (name === 'Buffer') return Buffer.from(bytes)
  if (!Object.hasOwn(binaryTypes, name)) throw new TypeError('an unknown type of binary data')
  return new binaryTypes[name as 'Uint8Array'](bytes)
}
