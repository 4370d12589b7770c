// Every test may cover every module of the package, and nothing else is measured.
import { readdirSync } from 'node:fs'

const modules = ['lib', 'serializers'].flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
)

export default () => modules
