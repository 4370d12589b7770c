// The registrations of one server, which must not share cookies or keys.
import type { FastifyInstance } from 'fastify'
import { nameFor, PURPOSES } from '../cookies/cookie.js'
import { OptionError } from '../errors.js'
import type { Context } from '../request/parts.js'
import type { Settings } from './options.js'

interface Registration {
  names: readonly string[]
  headers: readonly string[]
  prefix: string
}

/** The registrations of each server, anywhere in its plugin tree. */
const registrations = new WeakMap<object, Registration[]>()

// Two kinds of sessions must not read each other's records or overwrite each other's cookies. This also concerns
// siblings in the plugin tree: a browser may send both cookies, whatever their domain and path, and two clients may use
// one Redis.
export function refuseOverlap(
  { server }: FastifyInstance,
  { cookie, prefix }: Settings,
  headers: readonly string[]
): void {
  const earlier = registrations.get(server) ?? []
  const names = PURPOSES.map((purpose) => nameFor(purpose, cookie.name))
  for (const other of earlier) {
    if (names.some((name) => other.names.includes(name)))
      throw new OptionError(
        'cookie.name',
        `${cookie.name} belongs to another registration: set decorator or cookie.name`
      )
    const taken = headers.find((name) => other.headers.includes(name))
    if (taken !== undefined)
      throw new OptionError('transport', `${taken} belongs to another registration: choose another header`)
    if (other.prefix === prefix)
      throw new OptionError('prefix', `${prefix} belongs to another registration: set decorator or prefix`)
  }
  registrations.set(server, [...earlier, { names, headers, prefix }])
}

/** What the requests of each registration share, by the server of its application. */
const contexts = new WeakMap<object, { settings: Settings; context: Context }[]>()

/** Lets tests of the application find its sessions, and audits their options. */
export function keepContext({ server }: FastifyInstance, settings: Settings, context: Context): void {
  contexts.set(server, [...(contexts.get(server) ?? []), { settings, context }])
}

/**
 * The options of each registration.
 * @throws {OptionError} FST_SESSION_OPTION if there is none
 */
export function settingsOf({ server }: FastifyInstance): Settings[] {
  const found = contexts.get(server)
  if (found === undefined)
    throw new OptionError(
      'decorator',
      'names no session of this application: register fastify-ioredis-session on it, of the same installation'
    )
  return found.map(({ settings }) => settings)
}

/** @throws {OptionError} FST_SESSION_OPTION if this decorator does not name one registration of the application */
export function contextOf({ server }: FastifyInstance, decorator: string): Context {
  const found = (contexts.get(server) ?? []).filter(({ settings }) => settings.decorator === decorator)
  const [first] = found
  if (first === undefined)
    throw new OptionError(
      'decorator',
      `${decorator} is no session of this application: register fastify-ioredis-session on it first`
    )
  if (found.length > 1)
    throw new OptionError('decorator', `${decorator} names several registrations: give each a decorator`)
  return first.context
}
