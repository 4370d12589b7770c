// `npm run bench -- soak --requests 10000000`: checks that the heap of one process does not grow with its requests.
import type { Options } from '../part.js'
import { withRedis } from '../private-redis.js'
import { startProgress } from '../progress.js'
import { slope } from '../statistics.js'
import type { LoadProcess, SubjectProcess } from './processes.js'
import { isWanted, SCENARIOS, type Scenario } from './scenarios.js'
import { withStage } from './stage.js'
import { SUBJECTS } from './subjects.js'

/** Number of measurements of the heap after the first one, which follows the warm-up. */
const LOOKS = 20
const WARM_UP = 0.1
const CONNECTIONS = 50
/** Limit of the total growth in bytes, far less than a byte per request of the default number. */
const TOLERATED = 2 ** 20

/** Whether the heap stayed within the limit. */
export async function soak(requests: number, { only, subjects: [name = 'json'] }: Options): Promise<boolean> {
  const subject = SUBJECTS.find((one) => one.name === name)
  if (subject === undefined) throw new Error(`there is no subject ${name}`)
  const scenarios = SCENARIOS.filter((scenario) => isWanted(scenario.name, only))
  return withRedis(({ port }) =>
    withStage([subject], port, async ({ load, subjects: [server] }) => {
      const heaps = await look(requests, scenarios, server as SubjectProcess, load)
      const perRequest = slope(heaps)
      const growth = perRequest * requests
      const mebibytes = heaps.map(([, heap]) => (heap / 2 ** 20).toFixed(2))
      console.log(`heap after every ${requests / LOOKS} requests to ${name}, MiB: ${mebibytes.join(' ')}`)
      console.log(`${perRequest.toFixed(4)} bytes per request, ${Math.round(growth / 1024)} KiB in all`)
      return growth <= TOLERATED
    })
  )
}

/** Pairs of the number of requests and the bytes of the heap after them. */
async function look(
  requests: number,
  scenarios: readonly Scenario[],
  server: SubjectProcess,
  load: LoadProcess
): Promise<[requests: number, heap: number][]> {
  const progress = startProgress()
  const to = { subject: server.name, port: server.port }
  const send = async (share: number) => {
    const amount = Math.max(CONNECTIONS, Math.ceil((share * requests) / scenarios.length))
    for (const { name } of scenarios) {
      await load.send({ ...to, scenario: name, connections: CONNECTIONS, amount })
    }
  }
  for (const { kind } of scenarios) if (kind !== undefined) await load.begin({ ...to, kind })
  progress.begin(`${requests} requests`, LOOKS + 1)
  await send(WARM_UP)
  progress.step('warm')
  const heaps: [number, number][] = [[0, await server.heap()]]
  for (let seen = 1; seen <= LOOKS; seen++) {
    await send(1 / LOOKS)
    heaps.push([(seen * requests) / LOOKS, await server.heap()])
    progress.step(`${(heaps.at(-1)?.[1] ?? 0) >> 20} MiB`)
  }
  progress.end()
  return heaps
}
