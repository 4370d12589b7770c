// Every error has a code, a type in the log, and a message without line breaks.
import Fastify from 'fastify'
import t from 'tap'
import { keyName } from '../lib/data/key-names.js'
import * as errors from '../lib/errors.js'
import fc, { anyCharacter } from './support/properties.js'

const classes = Object.entries(errors).filter(([, value]) => value.prototype instanceof Error)

t.test('errors: every error has a code', (t) => {
  t.ok(classes.length > 14)
  for (const [name, Constructor] of classes) {
    const { code } = new (Constructor as new (...args: unknown[]) => { code: string })('a', 'b', 'c')
    t.match(code, /^FST_SESSION_[A-Z_]+$/, name)
  }
  t.end()
})

t.test('errors: a logged error has its type, code and message', (t) => {
  const lines: string[] = []
  const app = Fastify({ logger: { stream: { write: (line: string) => void lines.push(line) } } })
  for (const [name, Constructor] of classes) {
    app.log.error(new (Constructor as new (...args: unknown[]) => Error)('a', 'b', 'c'))
    const { err } = JSON.parse(lines.pop() ?? '')
    t.match(err, { type: 'FastifyError', name: 'FastifyError', code: /^FST_SESSION_/, message: /./ }, name)
  }
  t.end()
})

t.test('errors: a key in a message is short and contains no line break', (t) => {
  t.equal(keyName('userId'), 'userId')
  t.equal(keyName('größe.名前'), 'größe.名前')
  t.equal(
    keyName('a"b\\c\n\u001b[31m\u202e\u2028\ud800'),
    'a\\"b\\\\c\\u{a}\\u{1b}[31m\\u{202e}\\u{2028}\\u{d800}'
  )
  t.equal(keyName('x'.repeat(61)), `${'x'.repeat(60)}…`)
  t.equal(keyName(Symbol('tag')), 'Symbol(tag)')
  t.equal(keyName(undefined), '[undefined]')
  t.equal(keyName({ toString: () => 'secret' }), '[object]')
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter, maxLength: 200 }), (key) => {
      const shown = keyName(key)
      t.notMatch(shown, /[\p{C}\p{Zl}\p{Zp}]/u)
      t.ok(shown.length <= 60 * 9 + 1)
    }),
    { seed: 1 }
  )
  for (const [, Constructor] of classes.filter(([name]) => ['KeyError', 'OptionError'].includes(name))) {
    const { message } = new (Constructor as new (...args: unknown[]) => Error)('\n'.repeat(1_000), 'why')
    t.notMatch(message, '\n')
    t.ok(message.length < 400)
  }
  t.end()
})
