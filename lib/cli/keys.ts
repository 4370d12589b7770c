// The encryption keys of a command. They come from the environment or a file, since other users of the machine can read
// its arguments.
import type { Buffer } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import { KeyList } from '../encryption/keys.js'
import { keyIdOf } from '../encryption/sealed-record.js'
import { sealedStore } from '../encryption/sealed-store.js'
import { Sealer } from '../encryption/sealer.js'
import { isSealed } from '../records/record.js'
import type { Store } from '../stores/store.js'
import { UsageError } from './io.js'

const VARIABLE = 'SESSION_ENCRYPTION_KEYS'

export interface Sealing {
  /** Opens what is sealed, and seals what a command writes. */
  store: Store
  /** Whether a record is stored as this command would store it. */
  isDone(stored: Buffer): boolean
}

/** @param seal Whether the command seals what it writes. */
export async function openSealing(
  inner: Store,
  file: string | undefined,
  env: NodeJS.ProcessEnv,
  seal: boolean | undefined
): Promise<Sealing | undefined> {
  const given = (file === undefined ? env[VARIABLE] : await textOf(file)) ?? ''
  const texts = given.split(/[\s,]+/).filter((text) => text !== '')
  if (texts.length === 0) {
    if (seal === undefined) return undefined
    throw new UsageError(`sealing needs keys: set ${VARIABLE}, or pass --keys-file`)
  }
  const keys = new KeyList(texts)
  const { id } = keys.newest()
  return {
    store: sealedStore(inner, new Sealer(keys, { required: false, seal: seal !== false })),
    isDone: (stored) =>
      seal === false ? !isSealed(stored) : isSealed(stored) && keyIdOf(stored)?.equals(id) === true
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UsageError(
      `--keys-file ${file} cannot be read (${code}): pass a file with keys in base64, newest first`
    )
  }
}
