// Every error of this package. The documentation lists each code with its cause and its cure.
// Messages name options, keys, handles and sizes; never a session id, a secret or a value of a session.
import createError from '@fastify/error'
import { keyName } from './data/key-names.js'

// Every class has a name: loggers print it as the type of the error.
function nameError(code: string, message: string) {
  return class FastifyError extends createError<[string, string]>(code, message, 500, TypeError) {
    constructor(name: unknown, why: string) {
      super(keyName(name), why)
    }
  }
}

/** An option cannot be used. Arguments: the option's name, what it must be. */
export const OptionError = nameError('FST_SESSION_OPTION', 'option %s: %s')

/** A session refuses a key. Arguments: the key, why. */
export const KeyError = nameError('FST_SESSION_KEY', 'session key "%s" %s')

/** A method was given a callback or too many arguments. Arguments: the method's name, what it does instead. */
export const CallbackError = createError<[string, string]>(
  'FST_SESSION_CALLBACK',
  'session.%s() %s',
  500,
  TypeError
)

/** A method of `app.sessions` was given something other than a handle. Argument: the method's name. */
export const HandleError = createError<[string]>(
  'FST_SESSION_HANDLE',
  'sessions.%s() needs the handle of a session: pass its session.id',
  400,
  TypeError
)

/** The lifetime of a session cannot be used. Argument: the maximum. */
export const LifetimeError = createError<[number]>(
  'FST_SESSION_LIFETIME',
  'session.lifetime cannot be this: set a whole number of seconds from 1 to %d, or undefined to return to the options',
  500,
  TypeError
)

/** What should be a user is none. Argument: what it is. */
export const UserError = createError<[string]>(
  'FST_SESSION_USER',
  '%s is no user: let the option user lead to a string, a number or a bigint, and pass such a one to sessions.of()',
  500,
  TypeError
)

/** A session is to end with a reason that cannot be used. Argument: the method. */
export const ReasonError = createError<[string]>(
  'FST_SESSION_REASON',
  '%s cannot use this reason: pass { reason }, a text of 1 to 100 characters without control characters',
  500,
  TypeError
)

/** The reason of an aborted `session.signal`. Argument: the reason with which the session was ended, if there was one. */
export const EndedError = class FastifyError extends createError(
  'FST_SESSION_ENDED',
  'the session has ended: sign in again',
  401
) {
  readonly endedBecause: string | undefined

  constructor(reason?: string) {
    super()
    this.endedBecause = reason
  }
}

/** The session is bound to a device, and the request does not come from it. Argument: the handle. */
export const NotBoundError = createError<[string]>(
  'FST_SESSION_NOT_BOUND',
  'session %s is bound to the device that signed in, and this request does not prove to come from it: sign in again',
  401
)

export type EndedError = InstanceType<typeof EndedError>

/** Something was assigned to the request's property. Argument: the decorator's name. */
export const AssignError = createError<[string]>(
  'FST_SESSION_ASSIGN',
  'request.%s cannot be replaced: call destroy() to end the session, set() or delete() to change it',
  500,
  TypeError
)

/** The session was changed before the plugin's onRequest hook loaded it. Argument: the decorator's name. */
export const NotLoadedError = createError<[string]>(
  'FST_SESSION_NOT_LOADED',
  'request.%s is not loaded yet: register the plugin before the hook that changes it',
  500
)

/** The session was changed during `reload()`. */
export const ReloadingError = createError(
  'FST_SESSION_RELOADING',
  'session.reload() is under way: await it before you change the session',
  500
)

/** The session is detached from the store. Arguments: what was tried, why the session is detached. */
export const DetachedError = createError<[string, string]>(
  'FST_SESSION_DETACHED',
  'cannot %s this session: it is empty and never saved (%s); check session.detached first',
  500
)

/** A session with a new id can no longer be saved, because its cookie can no longer be sent. */
export const HeadersSentError = createError(
  'FST_SESSION_HEADERS_SENT',
  'cannot save a session under a new id: the response headers have already been sent, so its cookie cannot be set; ' +
    'call save() before them',
  500
)

/** The data cannot be encoded. Arguments: the serializer, the keys (with types) that it refused. */
export const EncodeError = createError<[string, string]>(
  'FST_SESSION_ENCODE',
  'serializer %s cannot encode %s; store another type, or choose another serializer',
  500
)

/** The record is too large to store. Arguments: size in bytes or "more than …", limit in bytes, the largest keys. */
export const TooLargeError = createError<[string, number, string]>(
  'FST_SESSION_TOO_LARGE',
  'the session takes %s bytes, maxRecordBytes is %d; store less in its largest keys: %s',
  500
)

/** The session holds too many of something, whatever its size. Arguments: the limit, of what, the largest keys. */
export const TooManyError = createError<[number, string, string]>(
  'FST_SESSION_TOO_LARGE',
  'the session holds more than %d %s; store less in its largest keys: %s',
  500
)

/** The stored record cannot be decoded. Arguments: the handle, why. */
export const UndecodableError = createError<[string, string]>(
  'FST_SESSION_UNDECODABLE',
  'the record of session %s cannot be decoded: %s; deploy what wrote it, or destroy the session',
  500
)

/** The data does not pass the application's schema. Arguments: the handle, where. */
export const InvalidError = createError<[string, string]>(
  'FST_SESSION_INVALID',
  'the data of session %s does not pass schema.validate at %s; correct what stores it, the schema, or its upgrades',
  500
)

/** Stored data of an earlier version cannot be upgraded. Arguments: the handle, its version, why. */
export const UpgradeError = createError<[string, number, string]>(
  'FST_SESSION_UPGRADE',
  'the data of session %s has version %d, and schema.upgrade for that version %s; correct the upgrade',
  500
)

/** A session of another library cannot be adopted. Arguments: the library, why and what to do. */
export const NotAdoptedError = createError<[string, string]>(
  'FST_SESSION_NOT_ADOPTED',
  'a session of %s cannot be adopted: %s',
  500
)

/** Other requests changed the session in between. Arguments: the handle, what happened. */
export const ConflictError = createError<[string, string]>(
  'FST_SESSION_CONFLICT',
  'session %s: %s; send the request again',
  409
)

/** The user has as many sessions as are allowed. Argument: the limit. */
export const LimitError = createError<[number]>(
  'FST_SESSION_LIMIT',
  'the user has %d sessions already, which maxPerUser allows at most; end one of them, then sign in again',
  409
)

/** Seconds after which a client may try again when the store fails. */
const RETRY_AFTER = 1

function storeError(code: string, message: string, status: number) {
  return class FastifyError extends createError<[string, string]>(code, message, status) {
    /** Fastify sends these headers with the error. */
    readonly headers: Record<string, number> = status === 503 ? { 'retry-after': RETRY_AFTER } : {}
  }
}

/** The store cannot be reached, or refused; nothing was stored. Arguments: the operation, the kind of failure. */
export const UnavailableError = storeError(
  'FST_SESSION_UNAVAILABLE',
  'the session store is unavailable: %s failed with %s; nothing was stored: check the store, then try again',
  503
)

/** A key of the option `encryption` cannot be fetched. It says nothing about the store. */
export const KeysUnavailableError = class FastifyError extends UnavailableError {
  /** @param failure The kind of failure. */
  constructor(failure: string) {
    super('encryption.keys', failure)
  }
}

/** The answer to a write was lost. Arguments: the operation, the kind of failure. */
export const UncertainError = storeError(
  'FST_SESSION_UNCERTAIN',
  'the session store did not answer: %s failed with %s; the write may be stored or not: check before you repeat it',
  503
)

/** The write is stored, but possibly on fewer replicas than required. Arguments: the operation, how many have it. */
export const NotReplicatedError = storeError(
  'FST_SESSION_NOT_REPLICATED',
  'the session is stored but not replicated: %s has reached %s; check the replicas, or lower the option replicas',
  503
)

/** The store accepts no more writes. Arguments: the operation, the kind of refusal. */
export const StoreFullError = storeError(
  'FST_SESSION_STORE_FULL',
  'the session store accepts no writes: %s was refused with %s; give it more memory or disk space',
  503
)

/** The store denies access. Arguments: the operation, the kind of refusal. */
export const StoreDeniedError = storeError(
  'FST_SESSION_STORE_DENIED',
  'the session store denies access: %s was refused with %s; check the password and rights of its user',
  500
)

/** The key of a session holds something other than a string. Arguments: the operation, the kind of refusal. */
export const ForeignKeyError = storeError(
  'FST_SESSION_FOREIGN_KEY',
  'another application uses the key of a session: %s was refused with %s; choose a prefix that nothing else uses',
  500
)

/** The check at start-up found that the store answers wrongly. Arguments: the operation, what it did wrong. */
export const StoreBrokenError = storeError(
  'FST_SESSION_STORE_BROKEN',
  'the session store answers wrongly: %s %s; use another server or proxy',
  500
)

/** Whether this error says that the store did not carry out the operation. */
export function isRefusal(error: unknown): boolean {
  return [UnavailableError, StoreFullError, StoreDeniedError, ForeignKeyError].some(
    (known) => error instanceof known
  )
}

/** A promise rejected with this error. If nobody awaits it, the process sees no unhandled rejection. */
export function rejected(error: unknown): Promise<never> {
  const promise = Promise.reject(error)
  promise.catch(() => {})
  return promise
}
