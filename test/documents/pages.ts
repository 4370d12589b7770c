// The documents as data. CONTRIBUTING.md explains the comments above code blocks.
import { readdirSync, readFileSync } from 'node:fs'

export interface Block {
  page: string
  /** The line of its first code line, from 1. */
  line: number
  language: string
  code: string
  /** The comments directly above it: `run` without a value, `assumes` with names, `excerpt` with a path. */
  marks: ReadonlyMap<string, string>
}

const FENCE = /((?:^<!-- .* -->\n+)*)^```(\w*)\n([\s\S]*?)^```$/gm
const MARK = /^<!-- (\w+)(?:: (.*))? -->$/gm

/** The texts of README.md and docs/, by path. */
export const pages: ReadonlyMap<string, string> = new Map(
  ['README.md', ...readdirSync('docs').map((name) => `docs/${name}`)]
    .filter((path) => path.endsWith('.md'))
    .map((path) => [path, readFileSync(path, 'utf8')])
)

export const blocks: readonly Block[] = [...pages].flatMap(([page, text]) =>
  [...text.matchAll(FENCE)].map(({ 0: whole, 1: comments = '', 2: language = '', 3: code = '', index }) => ({
    page,
    line: text.slice(0, index + whole.indexOf('```')).split('\n').length + 1,
    language,
    code,
    marks: new Map([...comments.matchAll(MARK)].map(([, name = '', value = '']) => [name, value]))
  }))
)

/** The anchors of a page, as GitHub derives them from headings. */
export function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-')
  )
}
