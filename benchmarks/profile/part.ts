// The part `profile`: what the plugin's own JavaScript costs per request, from CPU profiles of busy servers.
import type { Context, Options, Part } from '../part.js'
import type { Column, Row } from '../results.js'
import type { SubjectProcess } from '../server/processes.js'
import { isWanted, type ScenarioName, scenarioOf } from '../server/scenarios.js'
import { browsersOf, type Plan, send, warmUp } from '../server/slices.js'
import { canAnswer, isAsked, type Stage, withStage } from '../server/stage.js'
import { REFERENCE, SUBJECTS } from '../server/subjects.js'
import { median, ratioOf } from '../statistics.js'

const SCENARIO_NAMES: readonly ScenarioName[] = [
  'not looked at',
  'read',
  'read object',
  'read object, peek',
  'write',
  'change inside an object'
]
/** The reference runs without the plugin. */
const SUBJECT_NAMES: readonly string[] = [REFERENCE, 'json', 'msgpack', 'json, near cache']
const CONNECTIONS = 50

/** Processes of each subject one after another, slices in each of them, milliseconds of a slice, and requests before. */
const QUICK = { generations: 1, rounds: 3, milliseconds: 80, warmUp: 2_000 }
const THOROUGH = { generations: 3, rounds: 5, milliseconds: 300, warmUp: 15_000 }

const COLUMNS: readonly Column[] = [
  { key: 'scenario', title: 'scenario', role: 'name' },
  { key: 'subject', title: 'subject', role: 'name' },
  { key: 'own', title: 'JavaScript of the plugin, µs', role: 'cost', digits: 2 },
  { key: 'natives', title: 'natives that it calls, µs', role: 'cost', digits: 2 },
  { key: 'all', title: 'CPU of the server, µs', role: 'note', digits: 1 },
  { key: 'idle', title: 'server idle', role: 'note', digits: 2 }
]

export const profilePlugin: Part = {
  work(options) {
    const { generations, rounds, milliseconds, warmUp } = sizeOf(options)
    const pairs = scenariosOf(options).flatMap((scenario) =>
      subjectsOf(options).filter((subject) => canAnswer(subject, scenario))
    ).length
    return {
      seconds: (generations * pairs * rounds * milliseconds) / 1_000,
      starts: generations * (1 + subjectsOf(options).length),
      signIns: generations * kindsOf(options) * browsersOf(options),
      requests: generations * pairs * warmUp,
      orders: generations * pairs * (rounds + 1)
    }
  },
  async run(context) {
    const { options, progress, redisPort } = context
    const { generations, rounds } = sizeOf(options)
    const measured = new Map<string, Profiled[]>()
    progress.begin('Profiles', generations * (rounds + 1) * scenariosOf(options).length)
    for (let generation = 0; generation < generations; generation++) {
      await withStage(subjectsOf(options), redisPort, (stage) => runAll(stage, context, measured))
    }
    progress.end()
    const rows = [...measured].map(([names, slices]): Row => {
      const [scenario, subject] = JSON.parse(names) as [string, string]
      return { scenario, subject, ...summary(slices, generations) }
    })
    const title = 'Time in the plugin for a request; the row hand-written is without it'
    return [{ name: 'profile', title, columns: COLUMNS, rows }]
  }
}

/** Microseconds per request, and the idle share. */
interface Profiled {
  own: number
  natives: number
  all: number
  idle: number
}

async function runAll(
  { load, subjects }: Stage,
  { options, progress }: Context,
  measured: Map<string, Profiled[]>
): Promise<void> {
  const { rounds, milliseconds, warmUp: warmUpFor } = sizeOf(options)
  for (const scenario of scenariosOf(options)) {
    const plan: Plan = { scenario, connections: CONNECTIONS, milliseconds, rounds }
    const able = subjects.filter(({ subject }) => canAnswer(subject, scenario))
    for (const subject of able) await warmUp(plan, subject, load, warmUpFor, options)
    progress.step(`${scenario.name}, warming up`)
    for (let round = 0; round < rounds; round++) {
      for (const subject of able) {
        const key = JSON.stringify([scenario.name, subject.name])
        const slices = measured.get(key) ?? []
        measured.set(key, slices)
        slices.push(await profileSlice(subject, () => send(plan, subject, load)))
      }
      progress.step(scenario.name)
    }
  }
}

// A sample says where the process was when its time was up, also when it had lost its core to another process. So only
// the shares count, and the CPU time says how long they are.
async function profileSlice(
  subject: SubjectProcess,
  act: () => Promise<{ requests: number; seconds: number }>
): Promise<Profiled> {
  await subject.startProfile()
  const before = await subject.usage()
  const { requests, seconds } = await act()
  const cpu = (await subject.usage()).cpu - before.cpu
  const { own, natives } = await subject.stopProfile()
  const all = cpu / requests
  return { own: own * all, natives: natives * all, all, idle: Math.max(0, 1 - cpu / (1e6 * seconds)) }
}

function summary(slices: readonly Profiled[], generations: number): Row {
  const withInterval = (key: 'own' | 'natives' | 'all') => {
    const { ratio, low, high } = ratioOf(
      slices.map((slice) => slice[key]),
      generations
    )
    return { [key]: ratio, [`${key}Low`]: low, [`${key}High`]: high }
  }
  return {
    ...withInterval('own'),
    ...withInterval('natives'),
    ...withInterval('all'),
    idle: median(slices.map(({ idle }) => idle))
  }
}

function sizeOf({ quick }: Options): typeof THOROUGH {
  return quick ? QUICK : THOROUGH
}

/** Kinds of sessions, added up over the subjects. */
function kindsOf(options: Options): number {
  const kinds = subjectsOf(options).flatMap((subject) => [
    ...new Set(
      scenariosOf(options).flatMap((scenario) => (canAnswer(subject, scenario) ? [scenario.kind] : []))
    )
  ])
  return kinds.length
}

function scenariosOf({ only }: Options) {
  return SCENARIO_NAMES.filter((name) => isWanted(name, only)).map(scenarioOf)
}

function subjectsOf(options: Options) {
  return SUBJECTS.filter(
    ({ name, ...subject }) =>
      name === REFERENCE || (SUBJECT_NAMES.includes(name) && isAsked({ name, ...subject }, options))
  )
}
