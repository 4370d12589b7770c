// Loads the part that binds sessions to devices, if the application asks for it, and adds its routes.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { RequestDevice } from '../device-bound/devices.js'
import type { Devices } from '../request/devices.js'
import type { Context } from '../request/parts.js'
import type { Settings } from './options.js'
import type { RequestSession } from './request-session.js'

/** A browser must not forget its key because Redis is down, or because a copy of the record is old. */
const config = { session: { touch: false, onUnavailable: 'error', fresh: true } } as const

/** @throws {OptionError} FST_SESSION_OPTION */
export async function openDevices(
  fastify: FastifyInstance,
  { cookie, decorator, deviceBound, secrets }: Settings,
  { transport }: Context,
  sessionOf: (request: FastifyRequest) => RequestSession
): Promise<Devices | undefined> {
  if (deviceBound === undefined || deviceBound === false) return undefined
  const { openDevices } = await import('../device-bound/open.js')
  const isWithoutCookies = transport?.isOnly === true
  const registration = { cookie, decorator, secrets, isWithoutCookies, routePrefix: fastify.prefix }
  const devices = openDevices(deviceBound, registration)
  const { path } = devices.settings
  const routes = await import('../device-bound/routes.js')
  for (const name of ['register', 'refresh'] as const) {
    const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const { device, transaction } = sessionOf(request)
      const { body, status } = await routes[name](device as RequestDevice, transaction)
      return reply.code(status).header('cache-control', 'no-store').send(body)
    }
    // Already in onRequest: the checks of forms and bodies that an application adds come later.
    fastify.post(path[name], { config, onRequest: answer }, answer)
  }
  return devices
}
