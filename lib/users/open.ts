// The entry of this folder, which is loaded only if an application sets the option `user`.
import { OptionError } from '../errors.js'
import type { Context } from '../request/parts.js'
import { UserObserver } from './follow.js'
import type { UserOption } from './identity.js'
import { type MaxPerUser, Users } from './users.js'

/** @throws {OptionError} FST_SESSION_OPTION if the store has no index */
export async function openUsers(
  context: Context,
  user: UserOption,
  maxPerUser: MaxPerUser | undefined
): Promise<{ users: Users; observer: UserObserver }> {
  const index = await context.store.openIndex?.()
  if (index === undefined || context.store.end === undefined) {
    throw new OptionError(
      'user',
      'needs a store with end() and openIndex(): add them, or leave the option out'
    )
  }
  const users = new Users(index, context, user, maxPerUser)
  return { users, observer: new UserObserver(users) }
}
