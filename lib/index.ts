// The public interface of the package.
export { type SerializerName, serializers } from '../serializers/index.js'
export type { Dictionary, Serializer } from '../serializers/serializer.js'
export type { ResponseCookie } from './cookies/cookie.js'
export type { Secret } from './cookies/session-id.js'
export type { Merge, MergeRule, MergeRules } from './data/merge.js'
export * as mergeRules from './data/merge-rules.js'
export type { DeviceBoundOptions } from './device-bound/open.js'
export type { EncryptionKey } from './encryption/key.js'
export type { EncryptionOptions } from './encryption/open.js'
export type { SessionEvent } from './events.js'
export type { CookieOptions, RedisSessionOptions } from './plugin/options.js'
export { redisSession, redisSession as default } from './plugin/plugin.js'
export type { SchemaOptions, Upgrade } from './schema/schema.js'
export type { InferOutput, StandardSchema } from './schema/standard-schema.js'
export type { DeepReadonly } from './session/peek.js'
export type { EndOptions, EndReason } from './session/reason.js'
export type { Detached, DeviceBound, Session, SessionData, SessionMethods } from './session/session.js'
export type { EndAllOptions, SessionInfo, Sessions, User } from './sessions/sessions.js'
export { MemoryStore, type MemoryStoreOptions } from './stores/memory.js'
export { type RedisClient, RedisStore, type RedisStoreOptions } from './stores/redis.js'
export type { Entered, Entry, Indexed, SessionIndex } from './stores/session-index.js'
export {
  type EndListener,
  type EndReports,
  isTombstone,
  type Mark,
  type Operation,
  type Outcome,
  REVISION,
  type Store,
  TOMBSTONE,
  TOUCH
} from './stores/store.js'
export type { HeaderTransportOptions } from './transport/header.js'
export type { Transport } from './transport/open.js'
export type { MaxPerUser } from './users/users.js'
