// Starts the processes of a measurement before it and stops them after it.
import type { Options } from '../part.js'
import { type LoadProcess, type SubjectProcess, startLoad, startSubject } from './processes.js'
import { isWanted, type Scenario } from './scenarios.js'
import { SUBJECTS, type Subject } from './subjects.js'

export interface Stage {
  load: LoadProcess
  subjects: readonly SubjectProcess[]
}

export async function withStage<Result>(
  subjects: readonly Subject[],
  redisPort: number,
  work: (stage: Stage) => Promise<Result>
): Promise<Result> {
  const load = await startLoad()
  const started: SubjectProcess[] = []
  try {
    // Each subject has its own database, the same in every run.
    for (const subject of subjects) {
      started.push(
        await startSubject(subject, redisPort, SUBJECTS.findIndex(({ name }) => name === subject.name) + 1)
      )
    }
    return await work({ load, subjects: started })
  } finally {
    for (const { stop } of started) await stop()
    await load.stop()
  }
}

export function canAnswer({ keeps, only, part }: Subject, { bare, name, own }: Scenario): boolean {
  if (own === true && part !== 'server') return false
  return (keeps !== 'nothing' || bare === true) && isWanted(name, only ?? [])
}

/** Whether the subject is named; without names, whether the run has time for it. */
export function isAsked({ name, quick }: Subject, options: Options): boolean {
  return options.subjects.length > 0 ? options.subjects.includes(name) : quick || !options.quick
}
