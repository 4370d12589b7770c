// The requests to each subject, and the only correct answer to each.
import type { Kind } from './contents.js'

/** A browser with a session, and the values that the session must hold. */
export interface Browser {
  cookie: string
  userId: number
  /** Number of writes so far. */
  count: number
  /** The quantity of the first item in its cart. */
  quantity: number
}

export interface Scenario {
  name: string
  method: 'GET' | 'POST'
  path: string
  /** The kind of sessions whose cookies the requests carry in turn; without it, requests carry no cookie. */
  kind?: Kind
  /** Whether all requests carry the cookie of the same session. */
  shared?: true
  /** Whether subjects without sessions can answer it. */
  bare?: true
  /** Whether only this plugin can answer it, and the reference, which does the same by its own means. */
  own?: true
  /** The correct answer; for a shared session, its beginning. It may update the browser for the next request. */
  expected(browser: Browser): string
  /** Whether every answer replaces the cookie. */
  renews?: true
}

const plain = () => '{"answer":"plain"}'
const read = ({ userId }: Browser) => `{"userId":${userId}}`
const readObject = ({ userId, quantity }: Browser) => `{"userId":${userId},"quantity":${quantity}}`
const changedObject = (browser: Browser) => {
  browser.quantity++
  return readObject(browser)
}
const written = (browser: Browser) => `{"userId":${browser.userId},"count":${++browser.count}}`

export const SCENARIOS = [
  { name: 'no cookie', method: 'GET', path: '/plain', bare: true, expected: plain },
  { name: 'not looked at', method: 'GET', path: '/plain', kind: 'login', bare: true, expected: plain },
  { name: 'read', method: 'GET', path: '/read', kind: 'login', expected: read },
  { name: 'no object, ten keys', method: 'GET', path: '/read', kind: 'keys-10', expected: read },
  { name: 'read 10 KB', method: 'GET', path: '/read', kind: 'large', expected: read },
  { name: 'read object', method: 'GET', path: '/object', kind: 'large', expected: readObject },
  { name: 'read object, peek', method: 'GET', path: '/peek', kind: 'large', own: true, expected: readObject },
  { name: 'write', method: 'POST', path: '/write', kind: 'login', expected: written },
  { name: 'write 10 KB', method: 'POST', path: '/write', kind: 'large', expected: written },
  {
    name: 'change inside an object',
    method: 'POST',
    path: '/change',
    kind: 'large',
    expected: changedObject
  },
  { name: 'login', method: 'POST', path: '/login', kind: 'login', renews: true, expected: read },
  {
    name: 'parallel writes',
    method: 'POST',
    path: '/stamp',
    kind: 'login',
    shared: true,
    expected: ({ userId }) => `{"userId":${userId},"stamp":`
  }
] as const satisfies readonly Scenario[]

export type ScenarioName = (typeof SCENARIOS)[number]['name']

export function scenarioOf(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name)
  if (found === undefined) throw new Error(`there is no scenario ${name}`)
  return found
}

/** Whether the name is among the wanted ones, or none was chosen. */
export function isWanted(name: string, wanted: readonly string[]): boolean {
  return wanted.length === 0 || wanted.includes(name)
}
