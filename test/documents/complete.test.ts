// The documents list every option, code and event once, name nothing that does not exist, and have no broken links.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { costRows } from '../../benchmarks/peers/costs.js'
import { anchorsOf, pages } from './pages.js'

const source = readdirSync('lib', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join('lib', name), 'utf8'))
  .join('\n')

/** The keys of an interface in lib/. */
function keysOf(name: string): string[] {
  const [, body = ''] = new RegExp(`^export interface ${name} \\{\\n([\\s\\S]*?)^\\}`, 'm').exec(source) ?? []
  return [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, key = '']) => key)
}

const attributes = keysOf('CookieOptions').map((key) => `cookie.${key}`)
const codes = [...new Set(source.match(/(?<=')FST_SESSION_\w+(?=')/g))]
const [union = ''] = /^export type SessionEvent =\n(?: {2}\|.*\n)+/m.exec(source) ?? []
const events = [...union.matchAll(/type: '(\w+)'/g)].map(([, type = '']) => type)

const places = [
  ['docs/options.md', [...keysOf('RedisSessionOptions'), ...attributes]],
  ['docs/errors.md', codes],
  ['docs/operations.md', events]
] as const

/** The names at the start of table rows and headings. */
function defined(text: string): string[] {
  return [...text.matchAll(/^(?:\||#+) `([\w.]+)`/gm)].map(([, name = '']) => name)
}

for (const [place, names] of places) {
  t.test(`${place}: one row for each name in the source, and none on any other page`, (t) => {
    t.ok(names.length > 10)
    for (const name of names) {
      // The rows of migrating.md begin with options of other libraries.
      const found = [...pages]
        .filter(([page]) => page.startsWith('docs/') && page !== 'docs/migrating.md')
        .flatMap(([page, text]) => defined(text).flatMap((each) => (each === name ? [page] : [])))
      t.same(found, [place], name)
    }
    t.end()
  })
}

t.test('error codes: no page names one that is not in the source', (t) => {
  for (const [page, text] of pages) {
    const unknown = text.match(/FST_SESSION_\w+/g)?.filter((code) => !codes.includes(code))
    t.same(unknown ?? [], [], page)
  }
  t.end()
})

t.test('links: every file and heading exists', (t) => {
  for (const [page, text] of new Map([...pages, ...others()])) {
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)]
    for (const [, link, image] of targets) {
      const target = link ?? image ?? ''
      if (/^https?:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : join(dirname(page), path)
      t.ok(existsSync(file), `${page}: ${target}`)
      if (anchor !== undefined && existsSync(file)) {
        t.ok(anchorsOf(readFileSync(file, 'utf8')).includes(anchor), `${page}: ${target}`)
      }
    }
  }
  t.end()
})

function others(): [string, string][] {
  const files = ['CONTRIBUTING.md', 'SECURITY.md', 'benchmarks/README.md']
  return files.map((file) => [file, readFileSync(file, 'utf8')])
}

t.test('README: lists every member of a session', (t) => {
  const [body = ''] = /^export class SessionMethods<[\s\S]*?^\}/m.exec(source) ?? []
  const members = [...body.matchAll(/^ {2}(?:get |set |async )*(?!constructor)(\w+)(?:<.*>)?\(/gm)]
  t.ok(members.length > 15)
  const rows = [...(pages.get('README.md') ?? '').matchAll(/^\|.*\|$/gm)].map(([row]) => row.split(' | ')[0])
  for (const [, name = ''] of members) {
    t.ok(
      rows.some((row) => new RegExp(`\`${name}[\`(]`).test(row ?? '')),
      name
    )
  }
  t.end()
})

t.test('CONTRIBUTING.md: its map has every file of lib/ and serializers/', (t) => {
  const map = readFileSync('CONTRIBUTING.md', 'utf8')
  const files = ['lib', 'serializers'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  )
  t.same(
    files.map(({ name }) => name).filter((name) => !map.includes(` ${name} `)),
    []
  )
  t.end()
})

t.test('README: its comparison of libraries equals the results of the peers and cost benchmarks', (t) => {
  const [, asked = ''] = readFileSync('benchmarks/results/peers.md', 'utf8').split('\n\n')
  t.match(pages.get('README.md'), `<!-- peers -->\n${asked}\n<!-- /peers -->`)
  for (const row of costRows('benchmarks/results/latest.json')) t.match(asked, `| ${row.join(' | ')} |`)
  t.end()
})

t.test('README: at most 2,500 words', (t) => {
  const words = (pages.get('README.md') ?? '').split(/\s+/).filter((word) => word !== '')
  t.ok(words.length <= 2_500, `${words.length} words`)
  t.end()
})

t.test('README: links to every page of docs/', (t) => {
  for (const page of pages.keys()) if (page.startsWith('docs/')) t.match(pages.get('README.md'), `(${page}`)
  t.end()
})
