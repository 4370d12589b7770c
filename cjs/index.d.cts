// The types of `require('fastify-ioredis-session')`.
import type * as esm from '../dist/lib/index.js' with { 'resolution-mode': 'import' }
import type {
  CookieOptions,
  DeepReadonly,
  Detached,
  DeviceBound,
  DeviceBoundOptions,
  Dictionary,
  EncryptionKey,
  EncryptionOptions,
  EndAllOptions,
  EndListener,
  EndOptions,
  EndReason,
  EndReports,
  Entered,
  Entry,
  HeaderTransportOptions,
  Indexed,
  InferOutput,
  Mark,
  MaxPerUser,
  MemoryStoreOptions,
  Merge,
  MergeRule,
  MergeRules,
  Operation,
  Outcome,
  RedisClient,
  RedisSessionOptions,
  RedisStoreOptions,
  ResponseCookie,
  SchemaOptions,
  Secret,
  Serializer,
  SerializerName,
  Session,
  SessionData,
  SessionEvent,
  SessionIndex,
  SessionInfo,
  SessionMethods,
  Sessions,
  StandardSchema,
  Store,
  Transport,
  Upgrade,
  User
} from '../dist/lib/index.js' with { 'resolution-mode': 'import' }

type Plugin = typeof esm.redisSession

declare function redisSession(...parameters: Parameters<Plugin>): ReturnType<Plugin>

declare namespace redisSession {
  export {
    CookieOptions,
    DeepReadonly,
    Detached,
    DeviceBound,
    DeviceBoundOptions,
    Dictionary,
    EncryptionKey,
    EncryptionOptions,
    EndAllOptions,
    EndListener,
    EndOptions,
    EndReason,
    EndReports,
    Entered,
    Entry,
    HeaderTransportOptions,
    Indexed,
    InferOutput,
    Mark,
    MaxPerUser,
    MemoryStoreOptions,
    Merge,
    MergeRule,
    MergeRules,
    Operation,
    Outcome,
    RedisClient,
    RedisSessionOptions,
    RedisStoreOptions,
    ResponseCookie,
    redisSession as default,
    SchemaOptions,
    Secret,
    Serializer,
    SerializerName,
    Session,
    SessionData,
    SessionEvent,
    SessionIndex,
    SessionInfo,
    SessionMethods,
    Sessions,
    StandardSchema,
    Store,
    Transport,
    Upgrade,
    User
  }
  export const redisSession: Plugin
  export const mergeRules: typeof esm.mergeRules
  export const serializers: typeof esm.serializers
  export const isTombstone: typeof esm.isTombstone
  export const REVISION: typeof esm.REVISION
  export const TOMBSTONE: typeof esm.TOMBSTONE
  export const TOUCH: typeof esm.TOUCH
  export const MemoryStore: typeof esm.MemoryStore
  export type MemoryStore = esm.MemoryStore
  export const RedisStore: typeof esm.RedisStore
  export type RedisStore = esm.RedisStore
}

export = redisSession
