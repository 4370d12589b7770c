// What is asked of each subject, and what the only right answer is.
import type { Kind } from './contents.js'

/** Who holds a session, and what it must say. */
export interface Browser {
  cookie: string
  userId: number
  /** As often has it been written to. */
  count: number
}

export interface Scenario {
  name: string
  method: 'GET' | 'POST'
  path: string
  /** Whose cookies the requests carry, each the next one's; none at all where this is missing. */
  kind?: Kind
  /** All requests carry the cookie of one session. */
  shared?: true
  /** Whether subjects without sessions can answer it. */
  bare?: true
  /** The text of the right answer, which it may note down for the next one; of a shared session, how that begins. */
  expected(browser: Browser): string
  /** Whether every answer replaces the cookie. */
  renews?: true
}

const plain = () => '{"answer":"plain"}'
const read = ({ userId }: Browser) => `{"userId":${userId}}`
const written = (browser: Browser) => `{"userId":${browser.userId},"count":${++browser.count}}`

export const SCENARIOS = [
  { name: 'no cookie', method: 'GET', path: '/plain', bare: true, expected: plain },
  { name: 'not looked at', method: 'GET', path: '/plain', kind: 'login', bare: true, expected: plain },
  { name: 'read', method: 'GET', path: '/read', kind: 'login', expected: read },
  { name: 'read 10 KB', method: 'GET', path: '/read', kind: 'large', expected: read },
  { name: 'write', method: 'POST', path: '/write', kind: 'login', expected: written },
  { name: 'write 10 KB', method: 'POST', path: '/write', kind: 'large', expected: written },
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
  if (found === undefined) throw new Error(`no scenario is called ${name}`)
  return found
}

/** Whether it is among those that were asked for, or nothing was. */
export function isWanted(name: string, wanted: readonly string[]): boolean {
  return wanted.length === 0 || wanted.includes(name)
}
