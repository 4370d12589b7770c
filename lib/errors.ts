// Every error of this package. The README lists each code with its cause and its cure.
// Messages name options, keys, handles and sizes; never a session id, a secret or a value of a session.
import createError from '@fastify/error'
import { keyName } from './data/key-names.js'

// Named, as all classes here: loggers print the name of the class as the type of an error.
function nameError(code: string, message: string) {
  return class FastifyError extends createError<[string, string]>(code, message, 500, TypeError) {
    constructor(name: unknown, why: string) {
      super(keyName(name), why)
    }
  }
}

/** An option that cannot be used, found at start-up. Arguments: the option's name, what is wrong with it. */
export const OptionError = nameError('FST_SESSION_OPTION', 'option %s: %s')

/** A key that a session does not take. Arguments: the key, why not. */
export const KeyError = nameError('FST_SESSION_KEY', 'session key "%s" %s')

/** A callback, or more arguments than a method takes. Arguments: the method's name, what it does instead. */
export const CallbackError = createError<[string, string]>(
  'FST_SESSION_CALLBACK',
  'session.%s() %s',
  500,
  TypeError
)

/** Something was assigned to the request's property. Argument: the decorator's name. */
export const AssignError = createError<[string]>(
  'FST_SESSION_ASSIGN',
  'request.%s cannot be replaced: destroy() ends the session, set() and delete() change it',
  500,
  TypeError
)

/** The session was changed before the plugin's onRequest hook loaded it. Argument: the decorator's name. */
export const NotLoadedError = createError<[string]>(
  'FST_SESSION_NOT_LOADED',
  'request.%s is not loaded yet: register the plugin before the hook that changes it',
  500
)

/** The session was changed while it was being read again. */
export const ReloadingError = createError(
  'FST_SESSION_RELOADING',
  'session.reload() is under way: await it before you change the session',
  500
)

/** The session is not what the store holds. Arguments: what was tried, why the session is detached. */
export const DetachedError = createError<[string, string]>(
  'FST_SESSION_DETACHED',
  'cannot %s this session: it is empty and never saved (%s)',
  500
)

/** A session with a new id cannot be saved any more: its cookie could not be sent. */
export const HeadersSentError = createError(
  'FST_SESSION_HEADERS_SENT',
  'cannot save a session under a new id: the response headers are gone, its cookie could not be sent',
  500
)

/** The data cannot be encoded. Arguments: the serializer, the keys (with types) that it refused. */
export const EncodeError = createError<[string, string]>(
  'FST_SESSION_ENCODE',
  'serializer %s cannot encode %s',
  500
)

/** The record is too large to store. Arguments: size in bytes or "more than …", limit in bytes, the largest keys. */
export const TooLargeError = createError<[string, number, string]>(
  'FST_SESSION_TOO_LARGE',
  'the session takes %s bytes, maxRecordBytes is %d; largest keys: %s',
  500
)

/** The session holds too much to store, whatever its size. Arguments: the limit, of what, the largest keys. */
export const TooManyError = createError<[number, string, string]>(
  'FST_SESSION_TOO_LARGE',
  'the session holds more than %d %s; largest keys: %s',
  500
)

/** The stored record cannot be decoded. Arguments: the handle, why. */
export const UndecodableError = createError<[string, string]>(
  'FST_SESSION_UNDECODABLE',
  'the record of session %s cannot be decoded: %s',
  500
)

/** Other requests changed the session in between. Arguments: the handle, what happened. */
export const ConflictError = createError<[string, string]>('FST_SESSION_CONFLICT', 'session %s: %s', 409)

/** Seconds after which a client may try again when the store fails. */
const RETRY_AFTER = 1

function storeError(code: string, message: string, status: number) {
  return class FastifyError extends createError<[string, string]>(code, message, status) {
    /** Fastify sends them with the error. */
    readonly headers: Record<string, number> = status === 503 ? { 'retry-after': RETRY_AFTER } : {}
  }
}

/** The store did not answer, or could not; nothing was stored. Arguments: the operation, the kind of failure. */
export const UnavailableError = storeError(
  'FST_SESSION_UNAVAILABLE',
  'the session store is unavailable: %s failed with %s',
  503
)

/** The answer to a write was lost. Arguments: the operation, the kind of failure. */
export const UncertainError = storeError(
  'FST_SESSION_UNCERTAIN',
  'the session store did not answer: %s failed with %s, and may have taken place or not',
  503
)

/** Stored, but not on as many replicas as asked for, as far as is known. Arguments: the operation, how many have it. */
export const NotReplicatedError = storeError(
  'FST_SESSION_NOT_REPLICATED',
  'the session is stored, not replicated: %s has reached %s',
  503
)

/** The store takes no more. Arguments: the operation, the kind of refusal. */
export const StoreFullError = storeError(
  'FST_SESSION_STORE_FULL',
  'the session store takes no writes: %s was refused with %s',
  503
)

/** The store does not let us. Arguments: the operation, the kind of refusal. */
export const StoreDeniedError = storeError(
  'FST_SESSION_STORE_DENIED',
  'the session store denies access: %s was refused with %s',
  500
)

/** Something that is no string stands under the key of a session. Arguments: the operation, the kind of refusal. */
export const ForeignKeyError = storeError(
  'FST_SESSION_FOREIGN_KEY',
  'another application uses the key of a session: %s was refused with %s',
  500
)

/** The store answers wrongly, which the check at the start finds out. Arguments: the operation, what is wrong. */
export const StoreBrokenError = storeError(
  'FST_SESSION_STORE_BROKEN',
  'the session store does not do what it is asked to: %s %s',
  500
)

/** Whether this error says that the store has not done what it was asked to. */
export function isRefusal(error: unknown): boolean {
  return [UnavailableError, StoreFullError, StoreDeniedError, ForeignKeyError].some(
    (known) => error instanceof known
  )
}
