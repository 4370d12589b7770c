// What to use here instead of the names of other session libraries.

/** Properties of their sessions. */
export const foreignNames: ReadonlyMap<string, string> = new Map([
  ['cookie', 'use session.permanent and session.options() instead of its attributes'],
  ['maxAge', 'set session.permanent = true to keep the session for permanentLifetime seconds'],
  ['expires', 'set the options idleTimeout and permanentLifetime'],
  ['expiry', 'set the options idleTimeout and permanentLifetime'],
  ['changed', 'use session.isModified()'],
  ['isChanged', 'use session.isModified()'],
  ['deleted', 'use session.destroyed'],
  ['isPopulated', 'use Object.keys(session).length'],
  ['populated', 'use Object.keys(session).length'],
  ['encryptedSessionId', 'use session.id, the public name of the session; its secret id is not available'],
  ['sid', 'use session.id, the public name of the session; its secret id is not available'],
  ['resetMaxAge', 'use session.touch() to extend the session'],
  ['regenerateId', 'use session.regenerate() to give the session a new id'],
  ['updateConfig', 'use session.options() to set attributes of the cookie'],
  ['clear', 'use session.destroy() to end the session, session.regenerate(false) to drop its data']
])

/** Their options at registration. */
export const foreignOptions: ReadonlyMap<string, string> = new Map([
  ['cookieName', 'use cookie: { name }'],
  ['name', 'use cookie: { name }'],
  ['key', 'use cookie: { name } for the name of the cookie, secret for the key that signs it'],
  ['keys', 'use secret: [newest, older]'],
  ['salt', 'leave it out: secret is enough'],
  ['sessionName', 'use decorator, the name of the request property'],
  ['cookiePrefix', 'leave it out: the cookie holds only the id and its signature'],
  ['saveUninitialized', 'leave it out: a session without data is never stored and gets no cookie'],
  ['resave', 'leave it out: a session is stored only if it has changed'],
  ['unset', 'leave it out: session.destroy() ends a session'],
  ['ttl', 'use idleTimeout, in seconds'],
  ['expiry', 'use idleTimeout, in seconds'],
  ['maxAge', 'use idleTimeout, or permanentLifetime for a session with permanent = true, in seconds'],
  ['expires', 'use idleTimeout, or permanentLifetime for a session with permanent = true, in seconds'],
  ['disableTouch', 'use touchAfter, or config: { session: { touch: false } } on a route'],
  ['disableTTL', 'leave it out: every session expires; set idleTimeout to a longer time'],
  ['idGenerator', 'leave it out: an id is 32 random bytes'],
  ['genid', 'leave it out: an id is 32 random bytes'],
  ['generateId', 'leave it out: an id is 32 random bytes'],
  ['algorithm', 'leave it out: HMAC-SHA-256 signs the ids'],
  ['proxy', "set Fastify's option trustProxy, and cookie: { secure: 'auto' }"],
  ['client', 'use redis'],
  ['url', 'use redis'],
  ['host', 'use redis: { host }'],
  ['port', 'use redis: { port }'],
  ['domain', 'use cookie: { domain }'],
  ['path', 'use cookie: { path }'],
  ['secure', 'use cookie: { secure }'],
  ['sameSite', 'use cookie: { sameSite }'],
  ['httpOnly', 'leave it out: the cookie is always HttpOnly'],
  ['signed', 'leave it out: the cookie is signed if secret is set']
])
