// Makes, from the options, what all requests of one registration share.
import { serializers } from '../../serializers/index.js'
import { SessionIds } from '../cookies/session-id.js'
import { Codec, type Versions } from '../data/codec.js'
import { FidelityCheck, KeptReport } from '../data/fidelity.js'
import type { Log } from '../events.js'
import type { SessionObserver } from '../request/observer.js'
import type { Context } from '../request/parts.js'
import { CommitQueue } from '../request/queue.js'
import type { ReplayWatch } from '../request/replay.js'
import { PeekCheck } from '../session/peek.js'
import { Health } from '../stores/health.js'
import type { Store } from '../stores/store.js'
import type { Settings } from './options.js'

export async function createContext(
  settings: Settings,
  store: Store,
  log: Log,
  production: boolean,
  observer?: SessionObserver
): Promise<Context> {
  const codec = new Codec(
    settings.serializer,
    [...Object.values(serializers), ...settings.readSerializers],
    settings.maxRecordBytes,
    await openVersions(settings)
  )
  await codec.load(settings.serializer.tag)
  const context: Context = {
    ...settings,
    signals: undefined,
    devices: undefined,
    ids: new SessionIds(settings.cookie.name, settings.secrets),
    store,
    health: new Health(settings.circuitBreaker, log),
    codec,
    queue: new CommitQueue(),
    observer,
    origins: undefined,
    transport: undefined,
    users: undefined,
    replays: await openReplays(settings),
    fidelity: production ? undefined : new FidelityCheck(),
    peeks: production ? undefined : new PeekCheck(),
    keptReport: new KeptReport()
  }
  if (settings.user === undefined) return context
  const { openUsers } = await import('../users/open.js')
  return Object.assign(context, await openUsers(context, settings.user, settings.maxPerUser))
}

async function openReplays({ onReplay }: Settings): Promise<ReplayWatch | undefined> {
  if (onReplay === undefined) return undefined
  const { Replays } = await import('../replay/replays.js')
  return new Replays(onReplay.action)
}

async function openVersions({ schema }: Settings): Promise<Versions | undefined> {
  if (schema === undefined) return undefined
  const { openSchema } = await import('../schema/open.js')
  return openSchema(schema)
}
