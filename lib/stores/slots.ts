// Which keys of a cluster are on one server.
import { Buffer } from 'node:buffer'
import type { FullClient } from './redis-commands.js'

const SLOTS = 16_384

/**
 * Groups keys by the servers that the client knows for them: one group for each primary, or one without a cluster.
 * @returns The positions of the keys.
 */
export function groupsOf({ isCluster, slots }: FullClient, keys: readonly string[]): number[][] {
  if (isCluster !== true) return [[...keys.keys()]]
  const groups = new Map<string, number[]>()
  for (const [at, key] of keys.entries()) {
    const slot = slotOf(key)
    // ioredis sends a pipeline only if the same list of servers has all of its slots.
    const servers = slots?.[slot]?.join() ?? String(slot)
    groups.set(servers, [...(groups.get(servers) ?? []), at])
  }
  return [...groups.values()]
}

/** The slot of a key: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model */
export function slotOf(key: string): number {
  const tag = /\{([^}]+)\}/.exec(key.slice(Math.max(0, key.indexOf('{'))))
  return crc16(Buffer.from(tag?.index === 0 ? (tag[1] as string) : key)) % SLOTS
}

function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff
  }
  return crc
}
