// The keys of every server, page by page.
import type { FullClient } from './redis-commands.js'

/** How many keys Redis looks at for one page of them. */
const PAGE = 256

/** Slots that move to another node meanwhile may be left out or come twice. */
export async function* keysOf(client: FullClient, prefix: string): AsyncGenerator<string[], void> {
  const keyPrefix = keyPrefixOf(client)
  const match = `${literally(keyPrefix + prefix)}*`
  for (const node of client.nodes?.('master') ?? [client]) {
    let cursor = '0'
    do {
      const [next, keys] = await node.scan(cursor, 'MATCH', match, 'COUNT', PAGE)
      cursor = next
      yield keys.map((key) => key.slice(keyPrefix.length))
    } while (cursor !== '0')
  }
}

export function keyPrefixOf({ options }: Pick<FullClient, 'options'>): string {
  return String(options?.keyPrefix ?? '')
}

/** A pattern that matches only this text. */
function literally(text: string): string {
  return text.replace(/[\\*?[\]^]/g, '\\$&')
}
