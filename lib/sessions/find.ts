// A session outside a request: a transaction whose response can send no cookie.
import { CookieMemory } from '../cookies/session-cookie.js'
import { type Response, Transaction } from '../request/transaction.js'
import { createSession, type Session } from '../session/session.js'
import { receivedAs } from './access.js'
import type { SessionsParts } from './sessions.js'

export async function find({ context, host, log }: SessionsParts, id: string): Promise<Session | undefined> {
  const received = receivedAs(id, 'find')
  const response: Response = {
    log,
    memory: new CookieMemory(),
    isOpen: false,
    domainBy: nothing,
    setCookie: nothing,
    withdrawCookie: nothing,
    onceClosed: nothing,
    onceOver: nothing
  }
  const transaction = new Transaction(context, response, false)
  const cookies = { ids: [received], next: undefined, came: false, nextCame: false, seenCame: false }
  await transaction.load(cookies, 'error', true)
  const { detached, isNew } = transaction.state
  return isNew && detached !== 'undecodable' ? undefined : createSession(transaction, host)
}

function nothing(): void {}
