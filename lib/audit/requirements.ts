// The requirements of OWASP ASVS 5.0 about sessions: chapter V7, cookies, randomness, caching, logging. In our words; the
// text is at https://github.com/OWASP/ASVS. SECURITY.md has the same table for people.
import type { Settings } from '../plugin/options.js'
import type { AuditRow } from './audit.js'

type Verdict = Pick<AuditRow, 'status' | 'by'>

interface Requirement extends Pick<AuditRow, 'id' | 'level' | 'requirement'> {
  judge(settings: Settings): Verdict
}

/** Seconds. NIST SP 800-63B, revision 3, section 4.2.3: what AAL2 allows without a documented reason. */
const LONGEST_IDLE = 30 * 60
const LONGEST_SESSION = 12 * 3_600
/** Browsers keep no larger cookie. The longest value has 110 bytes, and `-next` is the longest suffix of the name. */
const MAX_COOKIE_NAME = 4_096 - 110 - '-next'.length

/** In the order of ASVS. Each test that a row names says so by the row's id. */
export const requirements: readonly Requirement[] = [
  {
    id: 'V3.3.1',
    level: 1,
    requirement: 'The cookie is Secure, and its name has a prefix',
    judge: withCookie(({ name, secure }) => {
      if (secure !== true) return notMet('cookie.secure: true')
      if (!/^__(Host|Secure)-/.test(name)) return notMet("cookie.name: '__Secure-…'")
      return met('test/security.test.ts', `cookie.name ${name}`)
    })
  },
  {
    id: 'V3.3.2',
    level: 2,
    requirement: 'SameSite fits the purpose of the cookie',
    judge: withCookie(({ sameSite }) =>
      sameSite === 'none'
        ? yours('docs/options.md#the-cookie', 'say why cookie.sameSite is none')
        : met('test/cookie.test.ts', `cookie.sameSite ${sameSite}`)
    )
  },
  {
    id: 'V3.3.3',
    level: 2,
    requirement: '__Host- in the name, unless hosts share the cookie',
    judge: withCookie(({ name, domain, domainBy }) => {
      if (name.startsWith('__Host-')) return met('test/cookie.test.ts', `cookie.name ${name}`)
      const isShared = domain !== undefined || domainBy !== undefined
      if (isShared) return yours('docs/options.md#the-cookie', 'say which hosts share the cookie')
      return notMet("cookie.secure: true and cookie.path: '/', and leave out cookie.name")
    })
  },
  {
    id: 'V3.3.4',
    level: 2,
    requirement: 'HttpOnly, and the id travels in Set-Cookie only',
    judge: withCookie((_cookie, { transport = [] }) =>
      [transport].flat().every((each) => each === 'cookie')
        ? met('test/security.test.ts')
        : notMet("transport: 'cookie'")
    )
  },
  {
    id: 'V3.3.5',
    level: 3,
    requirement: 'Name and value have at most 4,096 bytes',
    judge: withCookie(({ name }) =>
      name.length <= MAX_COOKIE_NAME ? met('test/session-id.test.ts') : notMet('a shorter cookie.name')
    )
  },
  {
    id: 'V7.1.1',
    level: 2,
    requirement: 'Lifetimes are documented, and why they are right',
    judge: ({ lifetimes: { absoluteTimeout = 'none', idleTimeout, permanentLifetime } }) =>
      yours(
        'docs/options.md#lifetimes',
        `idleTimeout ${idleTimeout}, permanentLifetime ${permanentLifetime}, absoluteTimeout ${absoluteTimeout}`
      )
  },
  {
    id: 'V7.1.2',
    level: 2,
    requirement: 'It is documented how many sessions a user may have',
    judge: ({ maxPerUser }) => {
      const rule = maxPerUser === undefined ? 'any number' : `${maxPerUser.limit}, then ${maxPerUser.onFull}`
      return yours('docs/users.md#how-many-sessions-a-user-may-have', `maxPerUser ${rule}`)
    }
  },
  {
    id: 'V7.1.3',
    level: 2,
    requirement: 'Federated sessions are documented',
    judge: () => yours('SECURITY.md#owasp-asvs-50')
  },
  {
    id: 'V7.2.1',
    level: 1,
    requirement: 'The server verifies every id',
    judge: () => met('test/security.test.ts')
  },
  {
    id: 'V7.2.2',
    level: 1,
    requirement: 'Ids are made for each session',
    judge: () => met('test/session-id.test.ts')
  },
  {
    id: 'V7.2.3',
    level: 1,
    requirement: 'Ids are unique, with 128 random bits or more',
    judge: () => met('test/session-id.test.ts')
  },
  {
    id: 'V7.2.4',
    level: 1,
    requirement: 'A sign-in gets a new id, and the old one ends',
    judge: () => yours('SECURITY.md#signing-in', 'call regenerate() at each sign-in')
  },
  {
    id: 'V7.3.1',
    level: 2,
    requirement: 'Unused sessions end',
    judge: ({ lifetimes: { idleTimeout, permanentLifetime } }) => {
      if (Math.max(idleTimeout, permanentLifetime) <= LONGEST_IDLE)
        return met('test/lifetime.test.ts', `idleTimeout ${idleTimeout}`)
      const longest = idleTimeout > LONGEST_IDLE ? `idleTimeout ${idleTimeout}` : 'permanentLifetime'
      return yours('docs/options.md#lifetimes', `say why ${longest} is not too long`)
    }
  },
  {
    id: 'V7.3.2',
    level: 2,
    requirement: 'Sessions end after some time, however much they are used',
    judge: ({ lifetimes: { absoluteTimeout } }) => {
      if (absoluteTimeout === undefined) return notMet('absoluteTimeout')
      if (absoluteTimeout <= LONGEST_SESSION)
        return met('test/lifetime.test.ts', `absoluteTimeout ${absoluteTimeout}`)
      return yours('docs/options.md#lifetimes', `say why absoluteTimeout ${absoluteTimeout} is not too long`)
    }
  },
  {
    id: 'V7.4.1',
    level: 1,
    requirement: 'Logout and expiry end the session on the server',
    judge: ({ nearCache }) =>
      nearCache === undefined
        ? met('test/parallel.test.ts, test/lifetime.test.ts')
        : yours('docs/near-cache.md', `say why an ended session may be read for ${nearCache.maxStale} s`)
  },
  {
    id: 'V7.4.2',
    level: 1,
    requirement: 'A disabled account loses its sessions',
    judge: withUser('docs/users.md#lock-an-account')
  },
  {
    id: 'V7.4.3',
    level: 2,
    requirement: 'A changed password can end the other sessions',
    judge: withUser('docs/users.md#a-new-password-ends-all-other-sessions')
  },
  {
    id: 'V7.4.4',
    level: 2,
    requirement: 'Every page has a visible logout',
    judge: () => yours('SECURITY.md#logout')
  },
  {
    id: 'V7.4.5',
    level: 2,
    requirement: "Administrators can end a user's sessions",
    judge: withUser('docs/command-line.md#ending-sessions')
  },
  {
    id: 'V7.5.1',
    level: 2,
    requirement: 'Changes to sign-in data need a fresh sign-in',
    judge: () => yours('SECURITY.md#a-fresh-sign-in')
  },
  {
    id: 'V7.5.2',
    level: 2,
    requirement: 'Users see their sessions, and end any of them',
    judge: withUser('docs/users.md#recipes')
  },
  {
    id: 'V7.5.3',
    level: 3,
    requirement: 'Highly sensitive operations need a second check',
    judge: () => yours('SECURITY.md#a-fresh-sign-in')
  },
  {
    id: 'V7.6.1',
    level: 2,
    requirement: 'Lifetimes agree with the identity provider',
    judge: () => yours('SECURITY.md#owasp-asvs-50')
  },
  {
    id: 'V7.6.2',
    level: 2,
    requirement: 'Sessions begin by an action of the user',
    judge: () => yours('SECURITY.md#signing-in', 'sign nobody in without a click')
  },
  {
    id: 'V11.5.1',
    level: 2,
    requirement: 'Unguessable values come from a CSPRNG',
    judge: () => met('test/session-id.test.ts')
  },
  {
    id: 'V14.3.2',
    level: 2,
    requirement: 'Browsers do not cache sensitive data',
    judge: () => yours('docs/cookies-and-proxies.md#caches', 'no-store on pages with data of a user')
  },
  {
    id: 'V16.2.5',
    level: 2,
    requirement: 'Ids are logged as hashes or not at all',
    judge: () => met('test/security.test.ts')
  },
  {
    id: 'secret',
    level: null,
    requirement: 'Forged ids cost no Redis command',
    judge: ({ secrets }) => (secrets.length > 0 ? met('test/security.test.ts', 'secret') : notMet('secret'))
  },
  {
    id: 'onReplay',
    level: null,
    requirement: 'The use of an id that was replaced is noticed',
    judge: ({ onReplay }) =>
      onReplay === undefined
        ? notMet('onReplay')
        : met('test/replay/replay.test.ts', `onReplay ${onReplay.action}`)
  },
  {
    id: 'encryption',
    level: null,
    requirement: 'Redis can neither read records nor forge them',
    judge: ({ encryption }) => {
      if (encryption?.required === true) return met('test/encryption/sealer.test.ts', 'encryption.required')
      return notMet(encryption === undefined ? 'encryption' : 'encryption.required')
    }
  },
  {
    id: 'deviceBound',
    level: null,
    requirement: 'A stolen cookie is refused on other devices',
    judge: ({ deviceBound }) =>
      deviceBound === undefined || deviceBound === false
        ? notMet('deviceBound')
        : met('test/device-bound/attacks.test.ts', 'deviceBound')
  }
]

/** @param test The files that show it, in the repository. */
function met(test: string, option?: string): Verdict {
  return { status: 'met', by: option === undefined ? test : `${option}; ${test}` }
}

function notMet(option: string): Verdict {
  return { status: 'not-met', by: `set ${option}` }
}

/** @param page Where the documents say how. */
function yours(page: string, what?: string): Verdict {
  return { status: 'application', by: what === undefined ? page : `${what}; ${page}` }
}

/** Judges the cookie, if there is one. */
function withCookie(
  judge: (cookie: Settings['cookie'], settings: Settings) => Verdict
): (settings: Settings) => Verdict {
  return (settings) => {
    const { cookie, transport = 'cookie' } = settings
    const isCookie = [transport].flat().includes('cookie')
    return isCookie ? judge(cookie, settings) : yours('docs/transport.md#csrf-and-theft', 'no cookie is used')
  }
}

/** @param page How an application uses the index of users. */
function withUser(page: string): (settings: Settings) => Verdict {
  return ({ user }) => (user === undefined ? notMet('user') : yours(page))
}
