// The option `user` of a command: whose sessions they are.
import type { Extra, Target } from './target.js'

/**
 * The plugin's option `user`, for a command. A command is told only the name of a user, and the index says which sessions
 * are theirs.
 * @param key `--user-key`: the key of the session that holds the user.
 * @param isTrusted Whether a session that the index does not know counts as theirs.
 */
export function userOption(user: string | undefined, key: string | undefined, isTrusted: boolean): Extra {
  if (user === undefined) return {}
  return { user: (key as never) ?? (() => (isTrusted ? user : undefined)) }
}

export function noIndex({ context: { prefix } }: Target): string {
  return (
    `the index under ${prefix}user: has no session of this user. ` +
    'It exists only if the application sets the option user, and knows sessions since they were last used'
  )
}
