// The session settings of a route: `config: { session }`.
import { OptionError } from '../errors.js'

export type SessionRouteConfig =
  | false
  | {
      touch?: boolean
      onUnavailable?: 'error' | 'anonymous'
      fresh?: boolean
      bound?: 'error' | 'anonymous'
    }

const CHECKS: Readonly<Record<string, readonly [values: readonly unknown[], what: string]>> = {
  touch: [[true, false], 'true or false'],
  onUnavailable: [['error', 'anonymous'], "'error' or 'anonymous'"],
  fresh: [[true, false], 'true or false'],
  bound: [['error', 'anonymous'], "'error' or 'anonymous'"]
}

interface Route {
  method: string | string[]
  url: string
  config?: { session?: unknown } | undefined
}

/** @throws {OptionError} FST_SESSION_OPTION, naming the route and the setting that cannot be used. */
export function checkRoute({ method, url, config }: Route): void {
  const session = config?.session
  if (session === undefined || session === false) return
  const route = `(route ${[method].flat().join(', ')} ${url})`
  if (typeof session !== 'object' || session === null) {
    throw new OptionError('config.session', `must be false or an object ${route}`)
  }
  for (const [name, value] of Object.entries(session)) {
    const option = `config.session.${name}`
    const [values, what] = (Object.hasOwn(CHECKS, name) && CHECKS[name]) || []
    if (values === undefined) {
      throw new OptionError(option, `is not one of ${Object.keys(CHECKS).join(', ')} ${route}`)
    }
    if (value !== undefined && !values.includes(value)) {
      throw new OptionError(option, `must be ${what} ${route}`)
    }
  }
}
