// Every error of this package. The README lists each code with its cause and its cure.
// Messages name options, keys, handles and sizes; never a session id, a secret or a value of a session.
import createError from '@fastify/error'

/** An option that cannot be used, found at start-up. Arguments: the option's name, what is wrong with it. */
export const OptionError = createError<[string, string]>(
  'FST_SESSION_OPTION',
  'option %s: %s',
  500,
  TypeError
)

/** A key that a session does not take. Arguments: the key, why not. */
export const KeyError = createError<[string, string]>(
  'FST_SESSION_KEY',
  'session key "%s" %s',
  500,
  TypeError
)

/** A callback where a promise is returned. Argument: the method's name. */
export const CallbackError = createError<[string]>(
  'FST_SESSION_CALLBACK',
  'session.%s takes no callback: it returns a promise',
  500,
  TypeError
)

/** The session was looked at before the plugin's onRequest hook loaded it. Argument: the decorator's name. */
export const NotLoadedError = createError<[string]>(
  'FST_SESSION_NOT_LOADED',
  'request.%s is not loaded yet: register the plugin before the hook that looks at it',
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

/** The stored record cannot be decoded. Arguments: the handle, why. */
export const UndecodableError = createError<[string, string]>(
  'FST_SESSION_UNDECODABLE',
  'the record of session %s cannot be decoded: %s',
  500
)

/** Other requests changed the session in between. Arguments: the handle, what happened. */
export const ConflictError = createError<[string, string]>('FST_SESSION_CONFLICT', 'session %s: %s', 409)

/** Seconds after which a client may try again when the store is unavailable. */
const RETRY_AFTER = 1

const Unavailable = createError<[string, string]>(
  'FST_SESSION_UNAVAILABLE',
  'the session store is unavailable: %s failed with %s',
  503
)

/** The store did not answer, or refused. Arguments: the command, the kind of failure. */
export class UnavailableError extends Unavailable {
  /** Fastify sends them with the error. */
  readonly headers = { 'retry-after': RETRY_AFTER }
}
