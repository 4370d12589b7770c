// The check that an object of an option has only the members that it may have.
import { OptionError } from './errors.js'

/** @throws {OptionError} FST_SESSION_OPTION, naming the first other member */
export function onlyMembers(option: string, value: object, names: readonly string[]): void {
  for (const name of Object.keys(value)) {
    if (!names.includes(name)) throw new OptionError(`${option}.${name}`, `is not one of ${names.join(', ')}`)
  }
}
