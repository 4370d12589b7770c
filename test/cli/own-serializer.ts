// A serializer of an application, as a module of its own.
import type { Serializer } from '../../serializers/serializer.js'

export const serializer: Serializer = {
  name: 'own',
  tag: 77,
  encode: (data) => JSON.stringify(data),
  decode: (bytes) => JSON.parse(Buffer.from(bytes).toString())
}
