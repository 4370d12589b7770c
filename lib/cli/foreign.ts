// Sessions of other libraries that adopters could still bring: counted by those adopters themselves.
import type { Adopter } from '../adopt/adopter.js'
import { expressSession, fastifySession } from '../adopt/connect-session.js'
import { flaskSession } from '../adopt/flask-session.js'
import { koaGenericSession, koaSession } from '../adopt/koa-session.js'
import type { Library } from '../adopt/library.js'
import { isUsedSince, markHandle } from '../adopt/mark.js'
import { mgcreaSession } from '../adopt/mgcrea-session.js'
import { convert } from '../adopt/old-record.js'
import { OldRedis } from '../adopt/old-redis.js'
import type { AdopterOptions } from '../adopt/options.js'
import { Refusal } from '../adopt/refusal.js'
import { StoreDeniedError } from '../errors.js'
import type { NotAdopted } from '../events.js'
import { openRecords } from '../sessions/access.js'
import { entryOf } from './entries.js'
import { UsageError } from './io.js'
import type { Target } from './target.js'

const LIBRARIES: Readonly<Record<string, (options: AdopterOptions) => Adopter>> = {
  '@fastify/session': fastifySession,
  'express-session': expressSession,
  '@mgcrea/fastify-session': mgcreaSession,
  'koa-generic-session': koaGenericSession,
  'koa-session': koaSession,
  'flask-session': flaskSession
}
/** Two libraries that write the same, so one of their records may be of either. */
const ALIKE = ['@fastify/session', 'express-session'] as const
/** Adopters verify cookies by it, and there are none here. */
const secret = 'none'

/** `denied`: the user of Redis may not read it. */
type NotAdoptable = NotAdopted | 'denied'

/** What may be found under one prefix. */
interface Kind {
  libraries: string[]
  prefix: string
  adopter: Adopter
}

export interface Foreign {
  library: string
  prefix: string
  /** Their next request would be adopted. */
  adoptable: number
  /** They were adopted, and the old application has not extended them since. */
  adopted: number
  /** How many are not adopted, by reason. */
  refused: Partial<Record<NotAdoptable, number>>
}

/** @param given Texts of the form `library=prefix`, for other prefixes than the usual ones. */
export function kindsOf(given: readonly string[]): Kind[] {
  const prefixes = new Map(given.map(prefixIn))
  const kinds = Object.entries(LIBRARIES).map(([name, open]): Kind => {
    const prefix = prefixes.get(name)
    const adopter = open({ secret, ...(prefix !== undefined && { prefix }) })
    return { libraries: [name], prefix: adopter.keyOf(''), adopter }
  })
  const [first, second] = ALIKE.map((name) => kinds.find(({ libraries }) => libraries.includes(name)) as Kind)
  const isAlike = first?.prefix === second?.prefix
  if (isAlike) first?.libraries.push(ALIKE[1])
  // Nothing tells the keys of koa-session from others, unless it has a prefix.
  return kinds.filter((kind) => kind.prefix !== '' && !(isAlike && kind === second))
}

function prefixIn(text: string): [library: string, prefix: string] {
  const at = text.indexOf('=')
  const [library, prefix] = [text.slice(0, at), text.slice(at + 1)]
  if (!Object.hasOwn(LIBRARIES, library) || prefix === '') {
    throw new UsageError(
      `--foreign needs a library and the prefix of its keys, such as flask-session=myapp: (libraries: ${Object.keys(LIBRARIES).join(', ')})`
    )
  }
  return [library, prefix]
}

/** Counts what is stored of other libraries, prefix by prefix. */
export async function countForeign(target: Target, kinds: readonly Kind[]): Promise<Foreign[]> {
  const { prefix: own } = target.context
  const found = new Map<string, Foreign>()
  for (const prefix of new Set(kinds.map((kind) => kind.prefix))) {
    // The plugin adopts nothing under its own prefix.
    if (prefix.startsWith(own)) continue
    const here = kinds.filter((kind) => kind.prefix === prefix)
    const { store } = openRecords(target.context)
    for await (const keys of store.keys(prefix)) {
      const old = keys.filter((key) => !key.startsWith(own))
      const states = await Promise.all(old.map((key) => stateOf(target, here, key)))
      for (const state of states) if (state !== undefined) add(found, state)
    }
  }
  return kinds.flatMap((kind) => found.get(nameOf(kind)) ?? [])
}

interface OldState {
  kind: Kind
  state: 'adoptable' | 'adopted' | NotAdoptable
}

function add(found: Map<string, Foreign>, { kind, state }: OldState): void {
  const [library, { prefix }] = [nameOf(kind), kind]
  const entry = found.get(library) ?? { library, prefix, adoptable: 0, adopted: 0, refused: {} }
  found.set(library, entry)
  if (state === 'adoptable' || state === 'adopted') entry[state]++
  else entry.refused[state] = (entry.refused[state] ?? 0) + 1
}

function nameOf({ libraries }: Kind): string {
  return libraries.join(', ')
}

/** @returns `undefined` if there is no session any more */
async function stateOf(target: Target, kinds: readonly Kind[], key: string): Promise<OldState | undefined> {
  let refused: OldState | undefined
  for (const kind of kinds) {
    try {
      return await stateAs(target, kind, key)
    } catch (error) {
      if (error instanceof StoreDeniedError) return { kind, state: 'denied' }
      if (!(error instanceof Refusal)) throw error
      // Another kind of value is the reason only if no library has such a one.
      if (refused === undefined || error.reason !== 'type') refused = { kind, state: error.reason }
    }
  }
  return refused
}

/** @throws {Refusal} */
async function stateAs(
  { client, context, settings }: Target,
  kind: Kind,
  key: string
): Promise<OldState | undefined> {
  const { codec, lifetimes, prefix, store } = context
  const { adopter, libraries } = kind
  const redis = new OldRedis(client)
  const old = await redis.read(key, adopter.fields)
  const library: Library = { adopter, redis, keepOld: 0, maxBytes: settings.maxRecordBytes }
  if (old === undefined || convert(old, library, codec, lifetimes) === undefined) return undefined
  const handles = libraries.map((name) => markHandle(`${name}\n${key}`))
  const marks = await Promise.all(handles.map((handle) => store.read(prefix + handle)))
  const isAdopted = marks.some((mark, index) => {
    const isMark = mark !== undefined && entryOf(handles[index] ?? '', mark).state === 'tombstone'
    return isMark && !isUsedSince(mark, old.left)
  })
  return { kind, state: isAdopted ? 'adopted' : 'adoptable' }
}
