// Every module of the package is to be covered, and nothing else is measured.
import { readdirSync } from 'node:fs'

const modules = ['lib', 'lib/stores', 'serializers'].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
)

// To count lines takes half a second of CPU for each process, and half as much again of what computes. These look at
// several processes, at other programs or at documents, or feed millions of bytes: the other tests cover the modules.
const UNCOUNTED =
  /^test\/((benchmarks|ecosystem|engines|history|model)\/|(chaos|example|hunt|readme|runner|security-policy)\.test)/

/** The modules that a test may cover; `null`: none is counted. */
export default (test) => (UNCOUNTED.test(test) ? null : modules)
