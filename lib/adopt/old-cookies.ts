// Cookies of other libraries in a Cookie header.

/** Maximum values of one cookie to look at. A browser may hold several, for other domains and paths. */
const MAX_VALUES = 4

/** The values of this cookie, as they came. */
export function valuesOf(header: string, name: string): string[] {
  const start = `${name}=`
  if (!header.includes(start)) return []
  const pairs = header.split(';').map((pair) => pair.trim())
  const values = pairs.filter((pair) => pair.startsWith(start)).map((pair) => pair.slice(start.length))
  // RFC 6265, section 4.1.1: a value may be in double quotes.
  return values.slice(0, MAX_VALUES).map((value) => (/^".*"$/.test(value) ? value.slice(1, -1) : value))
}
