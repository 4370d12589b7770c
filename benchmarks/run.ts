// `npm run bench -- [PART …]`: the cost of sessions, compared with other libraries on the same machine.
//   server peers serializers encryption growth allocations profile   the parts; all of them by default
//   check                             checks the answers of every subject and scenario; measures nothing
//   compare OLD.json [NEW.json]       lists what got slower
//   charts                            draws the charts of the last results again
//   soak                              checks that the heap does not grow with the number of requests
//   capacity                          memory of a million sessions, and the effect of their expiry at the same time
//   --quick --only read,write --subjects json,msgpack --connections 50 --requests 10000000 --output FILE
import { parseArgs } from 'node:util'
import { compile, installPackages } from './install.js'
import type { Options } from './part.js'
import { LATEST } from './results.js'
import { SCENARIOS } from './server/scenarios.js'
import { REFERENCE, SUBJECTS } from './server/subjects.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    subjects: { type: 'string', default: '' },
    connections: { type: 'string', default: '' },
    requests: { type: 'string', default: '10000000' },
    output: { type: 'string', default: LATEST }
  }
})
const options: Options = {
  quick: values.quick,
  only: list(values.only),
  subjects: list(values.subjects),
  connections: list(values.connections).map(Number)
}

requireKnown('scenario', options.only, SCENARIOS)
requireKnown('subject', options.subjects, SUBJECTS)

const [command = '', ...rest] = positionals
if (command === 'compare') {
  const { compare } = await import('./compare.js')
  const [before, after = LATEST] = rest
  if (before === undefined)
    throw new Error('compare needs the results of an earlier run: npm run bench -- compare OLD.json')
  process.exitCode = compare(before, after) ? 0 : 1
} else if (command === 'charts') {
  installPackages()
  const { drawCharts } = await import('./charts/draw.js')
  for (const file of drawCharts(values.output)) console.log(file)
} else if (command === 'capacity') {
  const { measureCapacity } = await import('./capacity.js')
  await measureCapacity()
} else {
  installPackages()
  compile()
  if (command === 'check') {
    const { check } = await import('./server/check.js')
    process.exitCode = (await check(options)) ? 0 : 1
  } else if (command === 'soak') {
    const { soak } = await import('./server/soak.js')
    process.exitCode = (await soak(Number(values.requests), options)) ? 0 : 1
  } else {
    if (options.subjects.join() === REFERENCE) {
      throw new Error(`"${REFERENCE}" is measured beside every other subject: name one of those`)
    }
    const { runParts } = await import('./parts.js')
    await runParts(positionals, options, values.output)
  }
}

function requireKnown(kind: string, names: readonly string[], all: readonly { name: string }[]): void {
  const unknown = names.find((name) => !all.some((known) => known.name === name))
  if (unknown === undefined) return
  throw new Error(`there is no ${kind} "${unknown}"; choose from: ${all.map(({ name }) => name).join('; ')}`)
}

function list(text: string): string[] {
  // Names contain commas with a space behind them.
  return text === '' ? [] : text.split(/,(?! )/)
}
