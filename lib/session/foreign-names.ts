// What other session libraries call things, and what stands in their place here: for those who come from them.

/** Properties of their sessions, for which nothing is found here. */
export const foreignNames: ReadonlyMap<string, string> = new Map([
  ['cookie', 'session.permanent and session.options() stand in the place of its attributes'],
  ['maxAge', 'session.permanent = true makes it live as long as the option permanentLifetime'],
  ['expires', 'the options idleTimeout and permanentLifetime say when a session ends'],
  ['expiry', 'the options idleTimeout and permanentLifetime say when a session ends'],
  ['changed', 'session.isModified() tells it'],
  ['isChanged', 'session.isModified() tells it'],
  ['deleted', 'session.destroyed tells it'],
  ['isPopulated', 'Object.keys(session).length tells it'],
  ['populated', 'Object.keys(session).length tells it'],
  ['encryptedSessionId', 'session.id is a public name of the session, and nothing gives its secret id'],
  ['sid', 'session.id is a public name of the session, and nothing gives its secret id'],
  ['resetMaxAge', 'session.touch() extends the session'],
  ['regenerateId', 'session.regenerate() gives it a new id'],
  ['updateConfig', 'session.options() sets attributes of the cookie'],
  ['clear', 'session.destroy() ends the session, session.regenerate(false) drops its data']
])

/** Options of theirs at registration. */
export const foreignOptions: ReadonlyMap<string, string> = new Map([
  ['cookieName', 'the name of the cookie is cookie: { name }'],
  ['name', 'the name of the cookie is cookie: { name }'],
  ['key', 'the name of the cookie is cookie: { name }, and the key that signs it is secret'],
  ['keys', 'a list of keys is secret: [newest, old]'],
  ['salt', 'leave it out: secret is enough'],
  ['sessionName', 'the name of the request property is decorator'],
  ['cookiePrefix', 'leave it out: the cookie holds the id and its signature alone'],
  ['saveUninitialized', 'leave it out: a session without data is never stored and gets no cookie'],
  ['resave', 'leave it out: a session is stored when it has changed'],
  ['unset', 'leave it out: session.destroy() ends a session'],
  ['ttl', 'that is idleTimeout, in seconds'],
  ['expiry', 'that is idleTimeout, in seconds'],
  ['maxAge', 'that is idleTimeout, or permanentLifetime for a session with permanent = true, in seconds'],
  ['expires', 'that is idleTimeout, or permanentLifetime for a session with permanent = true, in seconds'],
  ['disableTouch', 'that is touchAfter, or config: { session: { touch: false } } on a route'],
  ['disableTTL', 'leave it out: every session ends, after idleTimeout'],
  ['idGenerator', 'leave it out: an id is 32 random bytes'],
  ['genid', 'leave it out: an id is 32 random bytes'],
  ['generateId', 'leave it out: an id is 32 random bytes'],
  ['algorithm', 'leave it out: ids are signed by HMAC-SHA-256'],
  ['proxy', "let Fastify know by trustProxy, and set cookie: { secure: 'auto' }"],
  ['client', 'that is redis'],
  ['url', 'that is redis'],
  ['host', 'that is redis: { host }'],
  ['port', 'that is redis: { port }'],
  ['domain', 'that is cookie: { domain }'],
  ['path', 'that is cookie: { path }'],
  ['secure', 'that is cookie: { secure }'],
  ['sameSite', 'that is cookie: { sameSite }'],
  ['httpOnly', 'leave it out: no script can read the cookie'],
  ['signed', 'leave it out: a secret signs the cookie']
])
