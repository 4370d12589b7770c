// Keys as messages print them. A visitor may have chosen a key: it must not forge a line of the log, nor fill it.

const MAX_CHARACTERS = 60
const MAX_KEYS = 10
const PLAIN = /^[\p{L}\p{N}\p{P}\p{S} ]*$/u

/** A key, cut off after 60 characters; one with other characters than visible ones is quoted and escaped. */
export function printKey(key: string): string {
  const start = key.length > MAX_CHARACTERS ? `${key.slice(0, MAX_CHARACTERS)}…` : key
  if (PLAIN.test(start)) return start
  return `"${start.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, escaped)}"`
}

/** Up to ten keys, and how many more there are. */
export function printKeys(keys: readonly string[], print = printKey): string {
  const rest = keys.length - MAX_KEYS
  return keys.slice(0, MAX_KEYS).map(print).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`
}
