// Opens the places that sessions come from if our own cookies lead to none.
import type { SessionIds } from '../cookies/session-id.js'
import type { Origins } from '../request/origin.js'
import type { RedisClient } from '../stores/redis.js'
import type { Settings } from './options.js'

/** @param client The client of the store; `undefined` if the application has passed a store. */
export async function openOrigins(
  settings: Settings,
  client: RedisClient | undefined,
  ids: SessionIds
): Promise<Origins | undefined> {
  if (settings.adopt.length === 0) return undefined
  const { openAdoption } = await import('../adopt/adoption.js')
  return openAdoption(settings, client, ids)
}
