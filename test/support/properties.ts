// fast-check with a fixed seed, so that `npm test` is reproducible. `npm run test:hunt` uses other seeds.
import fc from 'fast-check'
import { characters } from '../../contracts/documents.js'

fc.configureGlobal({ seed: 20260901 })

export const anyCharacter = characters(fc)

export type { Arbitrary } from 'fast-check'
export default fc
