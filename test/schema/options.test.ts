// Schemas that cannot be used fail the start, by an error that names what is wrong.
import t from 'tap'
import type { SchemaOptions } from '../../lib/index.js'
import { openSchema } from '../../lib/schema/open.js'
import { createApp } from '../support/app.js'
import { standard } from './standard.js'

const same = (data: object) => ({ ...data })

const REFUSED: [options: unknown, message: RegExp][] = [
  [null, /option schema: must be an object/],
  [3, /option schema: must be an object/],
  [{}, /option schema\.version: must be a whole number/],
  [{ version: 0 }, /option schema\.version/],
  [{ version: 1.5 }, /option schema\.version/],
  [{ version: '1' }, /option schema\.version/],
  [{ version: 2 ** 32 }, /option schema\.version/],
  [
    { version: 1, upgrades: {} },
    /option schema\.upgrades: is not one of version, validate, upgrade, onInvalid/
  ],
  [{ version: 2 }, /option schema\.upgrade\[1\]: must be a function from version 1 to 2/],
  [{ version: 4, upgrade: { 1: same, 3: same } }, /option schema\.upgrade\[2\]: .*from version 2 to 3/],
  [{ version: 2, upgrade: { 1: 'same' } }, /option schema\.upgrade\[1\]/],
  [{ version: 2, upgrade: { 1: same, 2: same } }, /option schema\.upgrade\[2\]: leads beyond version 2/],
  [{ version: 1, upgrade: { first: same } }, /option schema\.upgrade\[first\]: leads beyond version 1/],
  [{ version: 1, upgrade: same }, /option schema\.upgrade: must be an object/],
  [{ version: 1, validate: null }, /option schema\.validate: must be a Standard Schema/],
  [{ version: 1, validate: same }, /option schema\.validate: must be a Standard Schema/],
  [{ version: 1, onInvalid: 'discard' }, /option schema\.onInvalid: must be one of error, empty/]
]

t.test('start: a schema that cannot be used is an error that names what is wrong', async (t) => {
  for (const [options, message] of REFUSED) {
    t.throws(() => openSchema(options as SchemaOptions), { code: 'FST_SESSION_OPTION', message })
  }
  const schema = { version: 3, upgrade: { 2: same } } as SchemaOptions
  await t.rejects(
    createApp(t, { schema }),
    { message: /schema\.upgrade\[1\]/ },
    'when the plugin is registered'
  )
})

t.test('start: a schema that is a function can be used, as those of arktype', async (t) => {
  const validate = Object.assign(
    same,
    standard((value) => ({ value }))
  )
  t.equal(openSchema({ version: 1, validate }).version, 1)
})
