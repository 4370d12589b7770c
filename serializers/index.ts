// The registry. To add a serializer, add a file to this folder and a line here.
import { json } from './json.js'
import { msgpack } from './msgpack.js'
import type { Serializer } from './serializer.js'
import { superjson } from './superjson.js'

export const serializers = {
  json,
  superjson,
  msgpack
} as const satisfies Record<string, Serializer>

export type SerializerName = keyof typeof serializers
