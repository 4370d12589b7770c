// What the README shows is what there is.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'

const readme = readFileSync('README.md', 'utf8')

t.test('its tables of fidelity and sizes are what the serializers do', async (t) => {
  const check = promisify(execFile)(process.execPath, [
    '--import=tsx',
    'scripts/fidelity.ts',
    '--check',
    'README.md'
  ])
  await t.resolves(check)
})

t.test('its serializer and its store are the ones that the tests run', (t) => {
  const excerpts = [
    [/const v8: Serializer = \{\n([\s\S]*?)\n\}/, 'test/contracts/v8.ts'],
    [/#when\(key: string[\s\S]*?\n\}/, 'examples/map-store.ts'],
    [/total\.inc[\s\S]*?1_000\)\n/, 'examples/observe.ts']
  ] as const
  for (const [pattern, file] of excerpts) {
    const lines =
      pattern
        .exec(readme)?.[0]
        .split('\n')
        .map((line) => line.trim()) ?? []
    t.ok(lines.length > 2, file)
    const source = readFileSync(file, 'utf8').replace('): Dictionary =>', ') =>')
    const code = lines.filter((line) => line !== '' && !line.startsWith('const v8'))
    t.same(
      code.filter((line) => !source.includes(line)),
      [],
      file
    )
  }
  t.end()
})

t.test('its links lead somewhere', (t) => {
  const anchors = [...readme.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-')
  )
  for (const [, target = ''] of readme.matchAll(/\]\(([^)]+)\)/g)) {
    if (target.startsWith('#')) t.ok(anchors.includes(target.slice(1)), target)
    else t.doesNotThrow(() => readFileSync(target), target)
  }
  t.end()
})
