// Keys as messages show them. A visitor may have chosen a key, so it must neither forge a log line nor flood the log.

/** Maximum characters of a name in a message. */
const MAX_NAME = 60
const MAX_KEYS = 10

/**
 * A key, an option or another name for a message: on one line, cut after 60 characters, with quotes, control and
 * formatting characters escaped. For anything but a string or symbol, it is the type.
 */
export function keyName(key: unknown): string {
  if (typeof key !== 'string') return typeof key === 'symbol' ? keyName(String(key)) : `[${typeof key}]`
  const shown = key.length > MAX_NAME ? `${key.slice(0, MAX_NAME)}…` : key
  return visible(shown.replace(/["\\]/g, '\\$&'))
}

/** The text on one line, with control and formatting characters escaped. */
export function visible(text: string): string {
  return text.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`
  )
}

/** Names up to ten keys and counts the rest. */
export function keyNames(keys: readonly string[], show: (key: string) => string = keyName): string {
  const rest = keys.length - MAX_KEYS
  return keys.slice(0, MAX_KEYS).map(show).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}
