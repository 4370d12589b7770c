// Finds and verifies the cookies of other libraries. What does not verify costs no command.
import type { SessionIds } from '../cookies/session-id.js'
import { announce } from '../events.js'
import type { Settings } from '../plugin/options.js'
import type { Origins } from '../request/origin.js'
import type { RedisClient } from '../stores/redis.js'
import { type Library, openLibrary } from './library.js'
import { valuesOf } from './old-cookies.js'
import { type Claim, OldSessions } from './old-sessions.js'
import { RefusalReport } from './refusal.js'

/**
 * @param client The client of the plugin's store, if it knows it.
 * @throws {OptionError} FST_SESSION_OPTION
 */
export function openAdoption(settings: Settings, client: RedisClient | undefined, ids: SessionIds): Origins {
  const libraries = settings.adopt.map((adopter) => openLibrary(adopter, settings, client))
  const refusals = new RefusalReport()
  return {
    receive(header = '') {
      const [first, ...more] = libraries.flatMap((library) => claimOf(library, header, ids) ?? [])
      return first === undefined ? undefined : new OldSessions([first, ...more], refusals)
    }
  }
}

function claimOf(library: Library, header: string, ids: SessionIds): Claim | undefined {
  const { adopter } = library
  const values = valuesOf(header, adopter.cookie.name)
  if (values.length === 0) return undefined
  const [oldId, ...others] = new Set(values.flatMap((value) => verify(library, value, header) ?? []))
  // As with our own cookies: if two are valid, it is unclear which one is the visitor's.
  if (oldId === undefined || others.length > 0) {
    const reason = oldId === undefined ? 'signature' : 'ambiguous'
    announce({ type: 'unadopted', library: adopter.name, reason })
    return undefined
  }
  const key = adopter.keyOf(oldId)
  const origin = `${adopter.name}\n${key}`
  const id = ids.derive(origin)
  return {
    library,
    key,
    origin,
    received: { id, handle: ids.handleOf(id), outdated: false, seen: undefined }
  }
}

// An error of an adopter must not end the process, and a cookie that it does not expect is not valid.
function verify({ adopter }: Library, value: string, header: string): string | undefined {
  try {
    return adopter.verify(value, (name) => valuesOf(header, name))
  } catch {
    return undefined
  }
}
