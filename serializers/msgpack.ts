// msgpack, by msgpackr: the smallest records, and keeps Date, Map, Set, bigint, undefined and binary data.
import type { Packr } from 'msgpackr'
import type { Serializer } from './serializer.js'

let packr: Packr

export const msgpack: Serializer = {
  name: 'msgpack',
  tag: 3,
  async load() {
    // This entry leaves the optional native part out: it gains next to nothing here, and reads past the bytes it is given.
    const { Packr } = await import('msgpackr/pack')
    // structuredClone: a graph of pointers in 400 hostile bytes would take seconds, doubling with each level.
    // copyBuffers: without it binary values are views of the network's buffer, other sessions' bytes included.
    packr = new Packr({ moreTypes: true, structuredClone: false, copyBuffers: true })
  },
  encode: (data) => packr.pack(data),
  decode: (bytes) => packr.unpack(bytes)
}
