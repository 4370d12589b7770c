// fast-check with a fixed seed: `npm test` finds tomorrow what it finds today. `npm run test:hunt` takes others.
import fc from 'fast-check'

fc.configureGlobal({ seed: 20260901 })

export type { Arbitrary } from 'fast-check'
export default fc
