// Several registrations on one server must not share cookies or keys.
import type { FastifyInstance } from 'fastify'
import { nameFor, PURPOSES } from '../cookies/cookie.js'
import { OptionError } from '../errors.js'
import type { Settings } from './options.js'

interface Registration {
  names: readonly string[]
  prefix: string
}

/** The registrations of each server, anywhere in its plugin tree. */
const registrations = new WeakMap<object, Registration[]>()

// Two kinds of sessions must not read each other's records or overwrite each other's cookies. This also concerns
// siblings in the plugin tree: a browser may send both cookies, whatever their domain and path, and two clients may use
// one Redis.
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
