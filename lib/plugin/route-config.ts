// What a route says about its sessions: `config: { session }`.
import { OptionError } from '../errors.js'

export type SessionRouteConfig =
  | false
  | { touch?: boolean; onUnavailable?: 'error' | 'anonymous'; fresh?: boolean }

const CHECKS: Readonly<Record<string, readonly [values: readonly unknown[], what: string]>> = {
  touch: [[true, false], 'true or false'],
  onUnavailable: [['error', 'anonymous'], "'error' or 'anonymous'"],
  fresh: [[true, false], 'true or false']
}

interface Route {
  method: string | string[]
  url: string
  config?: { session?: unknown } | undefined
}

/** @throws {OptionError} FST_SESSION_OPTION, naming the route and what cannot be used. */
export function checkRoute({ method, url, config }: Route): void {
  const session = config?.session
  if (session === undefined || session === false) return
  const route = `of the route ${[method].flat().join(', ')} ${url}`
  if (typeof session !== 'object' || session === null) {
    throw new OptionError('config.session', `${route} must be false or an object`)
  }
  for (const [name, value] of Object.entries(session)) {
    const option = `config.session.${name}`
    const [values, what] = (Object.hasOwn(CHECKS, name) && CHECKS[name]) || []
    if (values === undefined) {
      throw new OptionError(option, `${route} is not one of ${Object.keys(CHECKS).join(', ')}`)
    }
    if (value !== undefined && !values.includes(value)) {
      throw new OptionError(option, `${route} must be ${what}`)
    }
  }
}
