// A short form of `npm run test:hunt`, which also measures what each input costs. This test measures no time.
import t from 'tap'
import { plain } from './hunt/measure.js'
import { areSame, createTargets, randomOf, surroundings } from './hunt/targets.js'

/** Inputs per target. */
const INPUTS = 3_000

const targets = Object.entries(await createTargets())
const before = await surroundings()
let rejections = 0
process.on('unhandledRejection', () => rejections++)

for (const [number, [name, target]] of targets.entries()) {
  t.test(`hunt, ${name}: hostile inputs fail with a code and leave nothing behind`, async (t) => {
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
    t.ok(areSame(await surroundings(), before), 'sessions share only what they shared before')
  })
}
