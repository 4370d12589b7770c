// The entry of this folder, which is loaded only if an application sets the option `schema`.
import { keyName } from '../data/key-names.js'
import { OptionError } from '../errors.js'
import { onlyMembers } from '../members.js'
import { Schema, type SchemaOptions } from './schema.js'

const NAMES = ['version', 'validate', 'upgrade', 'onInvalid']
/** The header of a record has 32 bits for it. */
const MAX_VERSION = 2 ** 32 - 1

/** @throws {OptionError} FST_SESSION_OPTION */
export function openSchema(options: SchemaOptions): Schema {
  if (typeof options !== 'object' || options === null) {
    throw new OptionError('schema', 'must be an object: { version: 1, validate }')
  }
  onlyMembers('schema', options, NAMES)
  const { version, upgrade, validate, onInvalid = 'error' } = options
  if (!Number.isInteger(version) || version < 1 || version > MAX_VERSION) {
    throw new OptionError('schema.version', `must be a whole number from 1 to ${MAX_VERSION}`)
  }
  checkUpgrades(upgrade ?? {}, version)
  // A schema of arktype is a function.
  if (validate !== undefined && typeof validate?.['~standard']?.validate !== 'function') {
    throw new OptionError(
      'schema.validate',
      'must be a Standard Schema, such as those of zod, valibot or arktype'
    )
  }
  if (onInvalid !== 'error' && onInvalid !== 'empty') {
    throw new OptionError('schema.onInvalid', 'must be one of error, empty')
  }
  return new Schema(options)
}

function checkUpgrades(upgrade: NonNullable<SchemaOptions['upgrade']>, version: number): void {
  if (typeof upgrade !== 'object') throw new OptionError('schema.upgrade', 'must be an object of functions')
  for (let step = 1; step < version; step++) {
    if (typeof upgrade[step] !== 'function') {
      throw new OptionError(
        `schema.upgrade[${step}]`,
        `must be a function from version ${step} to ${step + 1}`
      )
    }
  }
  for (const step of Object.keys(upgrade)) {
    if (!(Number(step) < version)) {
      throw new OptionError(
        `schema.upgrade[${keyName(step)}]`,
        `leads beyond version ${version}: raise schema.version, or leave it out`
      )
    }
  }
}
