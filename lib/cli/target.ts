// The sessions that a command works on, with the same modules as the plugin.
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { RedisOptions } from 'ioredis'
import { type SerializerName, serializers } from '../../serializers/index.js'
import type { Serializer } from '../../serializers/serializer.js'
import type { Log } from '../events.js'
import { createContext } from '../plugin/context.js'
import { type RedisSessionOptions, resolveOptions, type Settings } from '../plugin/options.js'
import { MAX_COOKIE_AGE } from '../records/expiry.js'
import type { Context } from '../request/parts.js'
import { Sessions, type SessionsParts } from '../sessions/sessions.js'
import { addressOf } from '../stores/address.js'
import { lossesOf } from '../stores/losses.js'
import { type RedisClient, RedisStore } from '../stores/redis.js'
import { Attempt, explainRead } from '../stores/replies.js'
import { type ConnectionOptions, openClient } from './connection.js'
import { UsageError } from './io.js'
import { openSealing, type Sealing } from './keys.js'

export interface TargetOptions extends ConnectionOptions {
  prefix?: string
  /** Modules with serializers of the application. */
  serializer?: readonly string[]
  /** A file with the keys of the option `encryption`. */
  keysFile?: string
  maxRecordBytes: number
  /** `false` if the user of Redis may not publish. */
  signals: boolean
}

/** What only some commands need. */
export interface Extra {
  /** The serializer of new records: a name, or a module. */
  writer?: string
  user?: NonNullable<RedisSessionOptions['user']>
  /** Whether what the command writes is sealed, if there are keys. */
  seal?: boolean | undefined
}

export interface Target {
  settings: Settings
  context: Context
  sessions: Sessions<object>
  /** Without encryption around it. */
  store: RedisStore
  /** Undefined without keys. */
  sealing: Sealing | undefined
  client: RedisClient
  /** The milliseconds that this session has left; -1 if it never expires, -2 if there is none. */
  leftOf(handle: string): Promise<number>
  /** Where it connects to, without a password. */
  address: string
  /** The name of the serializer that wrote a record. */
  serializerOf(tag: number): string
  close(): Promise<void>
}

// The errors that commands throw say what the log would.
const SILENT: Log = { error: nothing, warn: nothing, info: nothing }

export async function openTarget(
  options: TargetOptions,
  env: NodeJS.ProcessEnv,
  { seal, user, writer = 'json' }: Extra = {}
): Promise<Target> {
  const { maxRecordBytes, prefix, timeout } = options
  const readers = await Promise.all((options.serializer ?? []).map(loadSerializer))
  const { client, close, connection } = openClient(options, env, SILENT)
  try {
    const settings = resolveOptions(
      {
        redis: client,
        readSerializers: readers,
        serializer: await loadSerializer(writer),
        maxRecordBytes,
        timeout,
        // When all sessions of a user end, a mark outlives each of them. The lifetimes of the application are not known.
        permanentLifetime: MAX_COOKIE_AGE,
        ...(prefix !== undefined && { prefix }),
        ...(user !== undefined && { user })
      },
      true
    )
    // The plugin would use its default instead, which may hold the sessions of another application.
    if (prefix !== undefined && settings.prefix !== prefix) {
      throw new UsageError(
        `--prefix ${prefix} is no prefix that the plugin uses: pass one without / at its beginning`
      )
    }
    const channel = options.signals ? { channel: `${settings.prefix}ended` } : {}
    const store = new RedisStore(client, { connectionOf: () => connection, ...channel })
    const sealing = await openSealing(store, options.keysFile, env, seal)
    const context = await createContext(settings, sealing?.store ?? store, SILENT, true)
    const host: SessionsParts['host'] = { fail: nothing, hint: nothing }
    const names = new Map(
      [...Object.values(serializers), ...readers, settings.serializer].map(({ name, tag }) => [tag, name])
    )
    return {
      settings,
      context,
      sessions: new Sessions<object>({ context, log: SILENT, host }),
      store,
      sealing,
      client,
      leftOf: (handle) => leftOf(client, settings.prefix + handle),
      address: addressOf(client as { options?: RedisOptions }),
      serializerOf: (tag) => names.get(tag) ?? `tag ${tag}`,
      close
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function leftOf(client: RedisClient & { pttl?(key: string): Promise<number> }, key: string) {
  const attempt = new Attempt(client as { status?: string }, lossesOf(client))
  try {
    return Number(await client.pttl?.(key))
  } catch (error) {
    throw explainRead(error, 'PTTL', attempt)
  }
}

/** @param given One of ours by its name, or the path of a module that exports one. */
async function loadSerializer(given: string): Promise<Serializer> {
  if (Object.hasOwn(serializers, given)) return serializers[given as SerializerName]
  let module: object
  try {
    module = await import(pathToFileURL(resolve(given)).href)
  } catch (error) {
    throw new UsageError(
      `serializer ${given} cannot be loaded (${(error as NodeJS.ErrnoException).code ?? (error as Error).name}): ` +
        `name one of ${Object.keys(serializers).join(', ')}, or the path of a module`
    )
  }
  const found = Object.values(module).find((value) => typeof value?.encode === 'function')
  if (found === undefined) {
    throw new UsageError(
      `the module ${given} exports no serializer: export an object with encode() and decode()`
    )
  }
  return found
}

function nothing(): void {}
