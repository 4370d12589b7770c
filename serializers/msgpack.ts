// msgpack, written by msgpackr: the smallest records. It keeps Date, Map, Set, bigint, undefined and binary data.
import type { Packr } from 'msgpackr'
import { read } from './msgpack-reader.js'
import type { Dictionary, Serializer } from './serializer.js'

let packr: Packr

export const msgpack: Serializer = {
  name: 'msgpack',
  tag: 3,
  refusesCycles: true,
  async load() {
    // This entry omits the optional native addon, which only speeds up decoding.
    const { Packr } = await import('msgpackr/pack')
    // With structuredClone, msgpackr writes pointers to shared objects, which the reader does not accept.
    packr = new Packr({ moreTypes: true, structuredClone: false })
  },
  encode: (data) => packr.pack(data),
  decode: (bytes) => read(bytes) as Dictionary
}
