// Positions in the sources, for the output of processes that ran compiled files. Node would read the source maps in each
// process, also in those that fail nothing.
import { existsSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join } from 'node:path'

const POSITION = /(\.tap\/build\/[^\s():]+\.js):(\d+):(\d+)/g
/** The lines around the position, which are one line in a compiled file. */
const EXCERPT = /^( *)source: \|\n(?:\1 {2}.*\n)+/gm

/** Replaces each position in a compiled file that has a source map. */
export function inSources(output: string): string {
  return output
    .replace(EXCERPT, '')
    .replace(POSITION, (compiled: string, file: string, line: string, column: string) => {
      const path = `${file}.map`
      if (!existsSync(path)) return compiled
      const map = new SourceMap(JSON.parse(readFileSync(path, 'utf8')))
      const entry = map.findEntry(Number(line) - 1, Number(column) - 1)
      if (!('originalSource' in entry)) return compiled
      const { originalSource, originalLine, originalColumn } = entry
      return `${join(dirname(file), originalSource)}:${originalLine + 1}:${originalColumn + 1}`
    })
}
