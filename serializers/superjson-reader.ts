// Reads the documents that `superjson.ts` writes, in one pass and in linear time.
//
// superjson 2.2 walks each path from the root and each Set element by element: 58 KB can take 175 ms, 1 MB minutes.
// It loses elements of Sets and Maps if the same objects also occur elsewhere, and accepts paths that lead nowhere.
// This reader finishes everything inside a list first, then turns the list into a Set or Map.
import { type Dictionary, MAX_COSTLY, MAX_DEPTH, MAX_ENTRIES } from './serializer.js'

export interface Document {
  json: unknown
  meta?: { values?: Annotation; referentialEqualities?: Equalities | [string[], Equalities?] }
}
/** A type, and the types of what is inside by path; or only the latter. */
type Annotation = [type: string | string[], inside?: Paths] | Paths
type Paths = { [path: string]: Annotation }
type Equalities = { [path: string]: string[] }
type Place = [parent: Record<string, unknown>, key: string]
/** Makes a value of the annotated type from plain JSON. */
type Revive = (json: unknown, type: string | string[]) => unknown

/** @throws if superjson does not write such a document, or if it exceeds the limits of `serializer.ts`. */
export function read(document: Document, revive: Revive): Dictionary {
  if (!Object.hasOwn(document, 'json')) throw new TypeError('not superjson')
  return new Reader(document, revive).read()
}

class Reader {
  readonly #document: Document
  readonly #revive: Revive
  readonly #holder: { json: unknown }
  /** The Sets and Maps so far, still empty, and the list that each is filled from at the end. */
  readonly #elements = new Map<unknown, unknown[]>()
  #depth = 0
  #entries = 0
  #costly = 0

  constructor(document: Document, revive: Revive) {
    this.#document = document
    this.#revive = revive
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
    // The entries of a string are its characters, each of which is a string again: that recursion never ends.
    if (!isObject(inside)) throw new TypeError('annotations that are not an object')
    if (++this.#depth > MAX_DEPTH) throw new RangeError('annotations nested too deeply')
    for (const [path, inner] of Object.entries(inside)) {
      this.#annotate(this.#find([parent, key], path), inner)
    }
    this.#depth--
    if (type !== undefined) parent[key] = this.#typed(parent[key], type)
  }

  #typed(value: unknown, type: string | string[]): unknown {
    // A value has one type: a second annotation could make the same work be done a thousand times.
    if (!isPlainJson(value)) throw new TypeError('a value with two types')
    if (type === 'set' || type === 'map') {
      if (!Array.isArray(value)) throw new TypeError('a Set or Map that is not a list')
      this.#entries += 1 + value.length
      if (this.#entries > MAX_ENTRIES) throw new RangeError('too many entries')
      const collection = type === 'set' ? new Set() : new Map()
      this.#elements.set(collection, value)
      return collection
    }
    if ((type === 'Error' || type === 'regexp' || type === 'URL') && ++this.#costly > MAX_COSTLY) {
      throw new RangeError('too many Errors, regular expressions and URLs')
    }
    // `superjson-binary.ts` takes its place.
    if (type[0] === 'typed-array') throw new TypeError('a typed array of unbounded length')
    return this.#revive(value, type)
  }

  // Puts the same object at each of these paths.
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

  // Finds own properties only, so no path leads to a prototype. Each has one name: "00" is not element 0 of a list.
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

// The keys of a path are separated by dots. A backslash escapes a dot or a backslash within a key.
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
