// A short form of `npm run test:hunt`, which says what each input costs; here no clock decides.
import t from 'tap'
import { plain } from './hunt/measure.js'
import { areSame, createTargets, randomOf, surroundings } from './hunt/targets.js'

/** Of each target. */
const INPUTS = 3_000

const targets = Object.entries(await createTargets())
const before = await surroundings()
let rejections = 0
process.on('unhandledRejection', () => rejections++)

for (const [number, [name, target]] of targets.entries()) {
  t.test(
    `${name}: hostile and damaged inputs give errors with a code, and leave nothing behind`,
    async (t) => {
      const findings = Array.from({ length: INPUTS }, (_, input) => {
        const what = target(randomOf(1, number, input), plain)
        return what && `#${input}: ${what}`
      })
      t.same(
        findings.filter((finding) => finding !== undefined),
        []
      )
      await new Promise(setImmediate)
      t.equal(rejections, 0)
      t.ok(areSame(await surroundings(), before), 'sessions share what they shared before')
    }
  )
}
