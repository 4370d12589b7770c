// Judges the registrations of an application by the requirements of OWASP ASVS 5.0.
import type { FastifyInstance } from 'fastify'
import { settingsOf } from '../plugin/registrations.js'
import { requirements } from './requirements.js'

/**
 * - `'met'`: by the plugin, as it is configured.
 * - `'not-met'`: another configuration would meet it.
 * - `'application'`: the plugin cannot know.
 */
export type AuditStatus = 'met' | 'not-met' | 'application'

/** One requirement, and whether a registration meets it. */
export interface AuditRow {
  /** The option `decorator` of the registration: `'session'`. */
  decorator: string
  /** The number in ASVS, such as `'V7.2.4'`; or an option that ASVS does not ask for. */
  id: string
  /** The level of ASVS that asks for it: 1, 2 or 3. `null` if none does. */
  level: 1 | 2 | 3 | null
  requirement: string
  status: AuditStatus
  /** What meets it, and the test that shows it; the option that would; or the page for the application. */
  by: string
}

/**
 * Which requirements of OWASP ASVS 5.0 about sessions the registrations of this application meet. Waits until the
 * application is ready.
 * @throws FST_SESSION_OPTION if the application has no sessions
 * @example
 * const rows = await auditSession(app)
 * t.same(rows.filter(({ level, status }) => status === 'not-met' && level !== null && level <= 2), [])
 */
export async function auditSession(app: FastifyInstance): Promise<AuditRow[]> {
  await app.ready()
  return settingsOf(app).flatMap((settings) =>
    requirements.map(({ id, level, requirement, judge }) => ({
      ...{ decorator: settings.decorator, id, level, requirement },
      ...judge(settings)
    }))
  )
}
