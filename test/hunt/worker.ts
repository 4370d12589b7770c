// Runs inputs in a separate process, so that the parent can kill it if an input never ends.
import { measured, plain } from './measure.js'
import { areSame, createTargets, randomOf, surroundings, type Target } from './targets.js'

/** A range of inputs for one target. */
export interface Batch {
  seed: number
  target: number
  from: number
  to: number
}

export interface Finding {
  target: string
  input: number
  what: string
}

const targets = Object.entries(await createTargets())
const before = await surroundings()
let rejections = 0
process.on('unhandledRejection', () => rejections++)

function hunt(
  name: string,
  target: Target,
  input: number,
  { seed, target: number }: Batch
): Finding | undefined {
  try {
    const what = target(randomOf(seed, number, input), plain)
    return what === undefined ? undefined : { target: name, input, what }
  } catch (error) {
    const { name: type, message, stack } = error as Error
    return { target: name, input, what: `${type}: ${message} ${stack?.split('\n')[1]?.trim()}` }
  }
}

// Measures one input alone, and again if it was slow, since the machine may have been busy.
function weigh(
  name: string,
  target: Target,
  input: number,
  { seed, target: number }: Batch
): Finding | undefined {
  let what: string | undefined
  for (let tries = 0; tries < 3; tries++) {
    const { step, exceeded } = measured()
    target(randomOf(seed, number, input), step)
    what = exceeded()
    if (what === undefined) return undefined
  }
  return { target: name, input, what: what as string }
}

async function work(batch: Batch): Promise<Finding[]> {
  const [name, target] = targets[batch.target] as [string, Target]
  const findings: (Finding | undefined)[] = []
  const { step, exceeded } = measured()
  step('batch', () => {
    for (let input = batch.from; input < batch.to; input++) findings.push(hunt(name, target, input, batch))
  })
  if (exceeded() !== undefined) {
    for (let input = batch.from; input < batch.to; input++) findings.push(weigh(name, target, input, batch))
  }
  await new Promise(setImmediate)
  const general = { target: name, input: batch.from, what: '' }
  if (rejections > 0)
    findings.push({ ...general, what: `${rejections} unhandled rejections in or after this batch` })
  if (!areSame(await surroundings(), before))
    findings.push({ ...general, what: 'this batch changed state that sessions share' })
  rejections = 0
  return findings.filter((finding) => finding !== undefined)
}

process.on('message', async (batch: Batch) => process.send?.(await work(batch)))
process.send?.(targets.map(([name]) => name))
