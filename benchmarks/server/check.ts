// `npm run bench -- check`: checks that every subject answers every scenario correctly. It measures nothing.
import type { Options } from '../part.js'
import { withRedis } from '../private-redis.js'
import { isWanted, SCENARIOS, type Scenario } from './scenarios.js'
import { canAnswer, type Stage, withStage } from './stage.js'
import { SUBJECTS, type Subject } from './subjects.js'

/** Enough requests to use every cookie once and some of them twice. */
const AMOUNT = 600
const CONNECTIONS = 50

/** Whether all answers were correct. */
export async function check({ only, subjects }: Options): Promise<boolean> {
  let passed = 0
  let failed = 0
  await withRedis(async ({ port }) => {
    for (const subject of SUBJECTS.filter(({ name }) => isWanted(name, subjects))) {
      await withStage([subject], port, async (stage) => {
        for (const scenario of SCENARIOS.filter(({ name }) => isWanted(name, only))) {
          if (!canAnswer(subject, scenario)) continue
          const why = await whatIsWrong(scenario, subject, stage)
          if (why === undefined) passed++
          else failed++
          console.log(why === undefined ? `ok ${subject.name}: ${scenario.name}` : `not ok ${why}`)
        }
      })
    }
  })
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0
}

async function whatIsWrong(
  scenario: Scenario,
  { name }: Subject,
  { load, subjects: [server] }: Stage
): Promise<string | undefined> {
  const to = { subject: name, port: server?.port ?? 0 }
  try {
    if (scenario.kind !== undefined) await load.begin({ ...to, kind: scenario.kind })
    await load.send({ ...to, scenario: scenario.name, connections: CONNECTIONS, amount: AMOUNT })
  } catch (error) {
    return `${scenario.name}: ${(error as Error).message}`
  }
  return undefined
}
