// Checks SECURITY.md against the tests and the lock files.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { EXCEPTIONS } from './hunt/measure.js'

const policy = readFileSync('SECURITY.md', 'utf8')

t.test('SECURITY.md: the tests that it names exist', async (t) => {
  let named = 0
  for (const [, files = ''] of policy.matchAll(/^\| \d+\.\d+\.\d+ \|(.*)\|$/gm)) {
    for (const [, file, name = ''] of files.matchAll(/`([\w/-]+)` "([^"]+)"/g)) {
      const source = readFileSync(`test/${file}.test.ts`, 'utf8')
      t.ok(source.includes(`'${name}'`), `${file}: ${name}`)
      named++
    }
  }
  t.ok(named > 20)
})

t.test('SECURITY.md: names exactly the exceptions to 50 ms that the hunt allows', async (t) => {
  const named = [...policy.matchAll(/\(`(encode [a-z]+)`\)\s+takes\s+up\s+to\s+(\d+)\s+ms/g)]
  t.same(Object.fromEntries(named.map(([, step, ms]) => [step, Number(ms) * 1_000])), EXCEPTIONS)
})

t.test('SECURITY.md: its links lead somewhere', async (t) => {
  const anchorsOf = (text: string) =>
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-')
    )
  for (const [, file = '', anchor = ''] of policy.matchAll(/\]\(([^)#]*)#([^)]+)\)/g)) {
    const text = file === '' ? policy : readFileSync(file, 'utf8')
    t.ok(anchorsOf(text).includes(anchor), `${file}#${anchor}`)
  }
})

t.test('lock files: every package has an integrity hash and no address', async (t) => {
  for (const file of ['package-lock.json', 'benchmarks/package-lock.json']) {
    const { packages } = JSON.parse(readFileSync(file, 'utf8')) as {
      packages: Record<string, { integrity?: string; resolved?: string; link?: boolean }>
    }
    const dependencies = Object.entries(packages).filter(([path, { link }]) => path !== '' && !link)
    t.ok(dependencies.length > 100, file)
    t.same(
      dependencies.filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? '')).map(([path]) => path),
      [],
      `${file}: without a hash`
    )
    t.same(
      dependencies.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path),
      [],
      `${file}: with an address`
    )
  }
})
