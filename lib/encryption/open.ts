// Checks the option `encryption`, and opens what it asks for.
import { OptionError } from '../errors.js'
import { onlyMembers } from '../members.js'
import type { Store } from '../stores/store.js'
import type { EncryptionKey } from './key.js'
import { KeyService } from './key-service.js'
import { KeyList, type Keys } from './keys.js'
import { type Sealed, sealedStore } from './sealed-store.js'
import { Sealer } from './sealer.js'

export interface EncryptionOptions {
  /**
   * Keys of 32 random bytes, or their base64. The first one seals, all of them open. Or an async function that returns such
   * a list: it is called at the start, and again when a record names an unknown key.
   */
  keys: readonly EncryptionKey[] | (() => Promise<readonly EncryptionKey[]>)
  /**
   * Whether records that are not sealed are refused.
   * @default false
   */
  required?: boolean
  /**
   * Whether new records are sealed. `false` is for turning encryption on or off over a rolling deployment.
   * @default true
   */
  seal?: boolean
}

/** Milliseconds between two questions to a key service, so that records with unknown keys cannot flood it. */
const PAUSE = 2_000
const NAMES = ['keys', 'required', 'seal']

/**
 * The store with encryption around it.
 * @param timeout Milliseconds that a key service may take to answer.
 * @param start Asks the key service, as the application starts.
 * @throws {OptionError} FST_SESSION_OPTION
 */
export async function openEncryption<Inner extends Store>(
  inner: Inner,
  options: EncryptionOptions,
  timeout: number,
  start: (ask: () => Promise<unknown>) => Promise<void>
): Promise<Sealed<Inner>> {
  const { keys, ...others } = check(options)
  const sealer = new Sealer(await openKeys(keys, timeout, start), others)
  return sealedStore(inner, sealer)
}

function check(options: EncryptionOptions): Required<EncryptionOptions> {
  if (typeof options !== 'object' || options === null) {
    throw new OptionError('encryption', 'must be an object: { keys: [newest, ...older] }')
  }
  onlyMembers('encryption', options, NAMES)
  const { keys, required = false, seal = true } = options
  for (const [name, value] of Object.entries({ required, seal })) {
    if (typeof value !== 'boolean') throw new OptionError(`encryption.${name}`, 'must be true or false')
  }
  if (required && !seal) {
    throw new OptionError(
      'encryption.required',
      'excludes seal: false, which stores records that are not sealed'
    )
  }
  return { keys, required, seal }
}

async function openKeys(
  given: EncryptionOptions['keys'],
  timeout: number,
  start: (ask: () => Promise<unknown>) => Promise<void>
): Promise<Keys> {
  if (typeof given !== 'function') return new KeyList(given)
  const service = new KeyService(given, { timeout, pause: PAUSE })
  await start(() => service.ask())
  return service
}
