// "Your devices": where a user is signed in, and how to sign out there.
import Bowser from 'bowser'
import type { FastifyInstance } from 'fastify'
import { whyEnded } from './ended.js'
import { devicesPage, signInPage } from './pages.js'

const MAX_LENGTH = 60
const LIST = '/devices#devices'

/** What the list calls a browser, such as "Firefox on Windows". The session keeps no more of the user agent. */
export function deviceName(userAgent = ''): string {
  if (userAgent === '') return ''
  const { browser, os } = Bowser.parse(userAgent)
  const name = browser.name || userAgent
  return (os.name === undefined ? name : `${name} on ${os.name}`).slice(0, MAX_LENGTH)
}

export function addDeviceRoutes(app: FastifyInstance): void {
  app.get('/devices', async ({ session }, reply) => {
    const account = session.get('account')
    const page =
      account === undefined
        ? signInPage(whyEnded(session))
        : devicesPage(account.name, await app.sessions.of(account.name), session.id)
    return reply.type('text/html').send(page)
  })

  app.post<{ Params: { id: string } }>('/devices/:id/sign-out', async ({ params, session }, reply) => {
    const account = session.get('account')
    const list = account === undefined ? [] : await app.sessions.of(account.name)
    // Nobody may end the sessions of others.
    if (list.some(({ id }) => id === params.id)) {
      await app.sessions.end(params.id, { reason: 'ended-by-user' })
    }
    return reply.redirect(LIST, 303)
  })

  app.post('/devices/sign-out-others', async ({ session }, reply) => {
    const account = session.get('account')
    if (account !== undefined) {
      await app.sessions.endAllOf(account.name, { except: session.id, reason: 'ended-by-user' })
    }
    return reply.redirect(LIST, 303)
  })
}
