// Positions in the sources, for the output of processes that ran compiled files. If Node read the source maps, every
// test would take a tenth longer.
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join } from 'node:path'

const POSITION = /(\.tap\/build\/[^\s():]+\.js):(\d+):(\d+)/g
/** The lines around the position, which are one line in a compiled file. */
const EXCERPT = /^( *)source: \|\n(?:\1 {2}.*\n)+/gm

/** Replaces each position in a compiled file. The packages in the bundles have no source map. */
export function inSources(output: string): string {
  return output
    .replace(EXCERPT, '')
    .replace(POSITION, (compiled: string, file: string, line: string, column: string) => {
      if (file.includes('/node_modules/')) return compiled
      const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')))
      const entry = map.findEntry(Number(line) - 1, Number(column) - 1)
      if (!('originalSource' in entry)) return compiled
      const { originalSource, originalLine, originalColumn } = entry
      return `${join(dirname(file), originalSource)}:${originalLine + 1}:${originalColumn + 1}`
    })
}
