// msgpack, by msgpackr: the smallest records, and keeps Date, Map, Set, bigint, undefined and binary data.
import type { Packr } from 'msgpackr'
import { read } from './msgpack-reader.js'
import type { Dictionary, Serializer } from './serializer.js'

let packr: Packr

export const msgpack: Serializer = {
  name: 'msgpack',
  tag: 3,
  refusesCycles: true,
  async load() {
    // This entry leaves the optional native part out, which is for decoding only.
    const { Packr } = await import('msgpackr/pack')
    // structuredClone: pointers to shared objects are not part of what the reader knows.
    packr = new Packr({ moreTypes: true, structuredClone: false })
  },
  encode: (data) => packr.pack(data),
  decode: (bytes) => read(bytes) as Dictionary
}
