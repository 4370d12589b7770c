// Records which lines of lib and serializers a test process runs. Loaded before everything else.
import { mkdirSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'

const MODULES = ['lib/', 'serializers/'].map((folder) => new URL(`../${folder}`, import.meta.url).href)

// Processes that the test starts with its own arguments are not counted.
process.execArgv.splice(process.execArgv.indexOf(`--import=${import.meta.url}`), 1)
const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true })
process.on('exit', () => {
  session.post('Profiler.takePreciseCoverage', (error, coverage) => {
    if (error !== null) throw error
    const result = coverage.result.filter(({ url }) => MODULES.some((module) => url.startsWith(module)))
    mkdirSync('.tap/coverage', { recursive: true })
    writeFileSync(`.tap/coverage/${process.pid}.json`, JSON.stringify({ result }))
  })
})
