// fast-check with a fixed seed, so that `npm test` is reproducible. `npm run test:hunt` uses other seeds.
import fc from 'fast-check'

fc.configureGlobal({ seed: 20260901 })

const FIRST_SURROGATE = 0xd800
const SURROGATES = 0x800

const characterAt = (index: number) =>
  String.fromCodePoint(index < FIRST_SURROGATE ? index : index + SURROGATES)

function indexOf(character: unknown): number {
  const code = String(character).codePointAt(0) ?? 0
  const index = code < FIRST_SURROGATE ? code : code - SURROGATES
  if (characterAt(index) !== character) throw new Error('not one character')
  return index
}

/** The characters of `unit: 'binary'`, which takes two seconds of CPU to prepare. */
export const anyCharacter = fc.integer({ min: 0, max: 0x10ffff - SURROGATES }).map(characterAt, indexOf)

export type { Arbitrary } from 'fast-check'
export default fc
