// Loads the transport of ids in headers, if the application asks for it.
import type { HeaderTransport } from '../transport/header.js'
import type { Settings } from './options.js'

/** @throws {OptionError} FST_SESSION_OPTION */
export async function openTransport({ cookie, transport }: Settings): Promise<HeaderTransport | undefined> {
  if (transport === undefined || transport === 'cookie') return undefined
  const { openTransport } = await import('../transport/open.js')
  return openTransport(transport, cookie.production)
}
