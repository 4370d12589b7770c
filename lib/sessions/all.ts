// Every session of the store, page by page.
import { isHandle } from '../cookies/session-id.js'
import { ForeignKeyError, OptionError } from '../errors.js'
import { lookUp } from '../request/lookup.js'
import type { GuardedStore } from '../stores/guarded.js'
import { named, openRecords } from './access.js'
import { infoOf } from './info.js'
import type { SessionInfo, SessionsParts } from './sessions.js'

export async function* all(parts: SessionsParts): AsyncGenerator<SessionInfo, void> {
  const { context } = parts
  const { prefix } = context
  if (context.store.keys === undefined) {
    throw new OptionError('store', 'needs a method keys() for sessions.all()')
  }
  const { records, store } = openRecords(context)
  const read = async (handle: string): Promise<SessionInfo | undefined> => {
    try {
      const found = await lookUp(named(handle), records, context)
      return found.state === 'living' ? infoOf(handle, found.record, parts) : undefined
    } catch (error) {
      // Another application may keep something else under such a key.
      if (error instanceof ForeignKeyError) return undefined
      throw error
    }
  }
  for await (const handles of handlesIn(store, prefix)) {
    for (const info of await Promise.all(handles.map(read))) if (info !== undefined) yield info
  }
}

/** The handles of a store that has `keys`, page by page. Other keys belong to other parts. */
export async function* handlesIn(store: GuardedStore, prefix: string): AsyncGenerator<string[], void> {
  for await (const keys of store.keys(prefix)) {
    yield [...new Set(keys.map((key) => key.slice(prefix.length)).filter(isHandle))]
  }
}
