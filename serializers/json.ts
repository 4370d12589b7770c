// JSON: readable everywhere, but it loses the types that JSON lacks (Date, Map, Set, undefined, NaN).
import { objectOf, type Serializer } from './serializer.js'

export const json: Serializer = {
  name: 'json',
  tag: 1,
  encode: (data) => JSON.stringify(data),
  decode: objectOf
}
