// Coverage includes every module of the package, and nothing else.
import { readdirSync } from 'node:fs'

const modules = ['lib', 'serializers'].flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
)

// Counting lines costs 0.5 s of CPU per file, and up to half as much CPU again. These tests concern other
// programs or documents, or repeat a module thousands of times. All other tests together cover each line.
const UNCOUNTED = /^test\/((benchmarks|documents)\/|(example|hunt|runner|security-policy)\.test)/

/** The modules that a test may cover. `null` counts none. */
export default (test) => (UNCOUNTED.test(test) ? null : modules)
