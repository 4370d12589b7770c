// Every test may cover every module of the package, and nothing else is measured.
import { readdirSync } from 'node:fs'

const modules = ['lib', 'lib/stores', 'serializers'].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
)

export default () => modules
