// Every module of the package is to be covered, and nothing else is measured.
import { readdirSync } from 'node:fs'

const modules = ['lib', 'serializers'].flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
)

// To count lines costs half a second of CPU for each file, and up to half of the CPU that it takes otherwise. These tests
// are about other programs or documents, or feed the modules by the thousand: the others cover each line without them.
const UNCOUNTED = /^test\/((benchmarks|documents)\/|(example|hunt|runner|security-policy)\.test)/

/** The modules that a test may cover; `null`: none is counted. */
export default (test) => (UNCOUNTED.test(test) ? null : modules)
