// The registrations of one server, which must not share cookies or keys.
import type { FastifyInstance } from 'fastify'
import { nameFor, PURPOSES } from '../cookies/cookie.js'
import { OptionError } from '../errors.js'
import type { Settings } from './options.js'

interface Registration {
  names: readonly string[]
  prefix: string
}

/** By server, wherever in the tree of its plugins. */
const registrations = new WeakMap<object, Registration[]>()

// Two kinds of sessions must not read each other's records, nor overwrite each other's cookies. Beside each other, too:
// the browser sends both cookies, whatever their domain and path, and two clients may lead to one Redis.
export function refuseOverlap({ server }: FastifyInstance, { cookie, prefix }: Settings): void {
  const earlier = registrations.get(server) ?? []
  const names = PURPOSES.map((purpose) => nameFor(purpose, cookie.name))
  for (const other of earlier) {
    if (names.some((name) => other.names.includes(name)))
      throw new OptionError(
        'cookie.name',
        `${cookie.name} belongs to another registration: set decorator or cookie.name`
      )
    if (other.prefix === prefix)
      throw new OptionError('prefix', `${prefix} belongs to another registration: set decorator or prefix`)
  }
  registrations.set(server, [...earlier, { names, prefix }])
}
