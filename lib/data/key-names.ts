// Keys as messages show them. A visitor may have chosen a key: it must not forge a line of the log, nor fill it.

/** The longest name that a message repeats. */
const MAX_NAME = 60
const MAX_KEYS = 10

/**
 * A key, an option or another name as a message shows it: at most 60 characters of it, on one line, with all that could
 * deceive a reader escaped. Of what is no text only the type is shown.
 */
export function keyName(key: unknown): string {
  if (typeof key !== 'string') return typeof key === 'symbol' ? keyName(String(key)) : `[${typeof key}]`
  const shown = key.length > MAX_NAME ? `${key.slice(0, MAX_NAME)}…` : key
  return shown.replace(/["\\\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`
    return `\\u{${character.codePointAt(0)?.toString(16)}}`
  })
}

/** Up to ten keys, and how many more there are. */
export function keyNames(keys: readonly string[], show: (key: string) => string = keyName): string {
  const rest = keys.length - MAX_KEYS
  return keys.slice(0, MAX_KEYS).map(show).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}
