// superjson: JSON with annotations for the types that JSON lacks, and for objects that occur more than once.
import type { SuperJSON, SuperJSONResult } from 'superjson'
import { objectOf, type Serializer } from './serializer.js'
import { binary } from './superjson-binary.js'
import { type Document, read } from './superjson-reader.js'

let instance: SuperJSON

export const superjson: Serializer = {
  name: 'superjson',
  tag: 2,
  async load() {
    const { SuperJSON } = await import('superjson')
    // Without dedupe, an object graph with shared parts would grow exponentially.
    instance = new SuperJSON({ dedupe: true })
    instance.registerCustom(binary, 'binary')
  },
  encode: (data) => instance.stringify(data),
  decode: (bytes) => read(objectOf(bytes) as unknown as Document, revive)
}

// One value at a time: the library never sees a path.
function revive(json: unknown, type: string | string[]): unknown {
  const document = { json, meta: { values: [type], v: 1 } } as SuperJSONResult
  return instance.deserialize(document, { inPlace: true })
}
