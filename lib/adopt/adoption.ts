// Opens the adopters of a registration.
import type { SessionIds } from '../cookies/session-id.js'
import type { Settings } from '../plugin/options.js'
import type { Origins } from '../request/origin.js'
import type { RedisClient } from '../stores/redis.js'
import { openLibrary } from './library.js'
import { OldCookies } from './old-cookies.js'
import { OldSessions } from './old-sessions.js'
import { RefusalReport } from './refusal.js'

/**
 * @param client The client of the plugin's store, if it knows it.
 * @throws {OptionError} FST_SESSION_OPTION
 */
export function openAdoption(settings: Settings, client: RedisClient | undefined, ids: SessionIds): Origins {
  const libraries = settings.adopt.map(
    (adopter) => new OldCookies(openLibrary(adopter, settings, client), ids)
  )
  const refusals = new RefusalReport()
  return {
    receive(header = '') {
      const [first, ...more] = libraries.flatMap((cookies) => cookies.receive(header) ?? [])
      return first === undefined ? undefined : new OldSessions([first, ...more], refusals)
    }
  }
}
