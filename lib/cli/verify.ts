// `verify`: decodes every record, within the limits of the plugin, and lists those that cannot be decoded.
import { visible } from '../data/key-names.js'
import { PayloadError } from '../data/payload-error.js'
import { dataOf, type Entry, pagesOf } from './entries.js'
import { count } from './format.js'
import { EXIT, type ExitCode } from './io.js'
import { withProgress } from './progress.js'
import type { Target } from './target.js'
import type { Terminal } from './terminal.js'

export async function verify(target: Target, terminal: Terminal): Promise<ExitCode> {
  let [checked, undecodable] = [0, 0]
  await withProgress(terminal, target, 'verifying', async (done) => {
    for await (const page of pagesOf(target)) {
      for (const entry of page) {
        checked++
        const reason = await whyUndecodable(target, entry)
        if (reason === undefined) continue
        undecodable++
        if (terminal.json) await terminal.printJson({ handle: entry.handle, reason })
        else await terminal.print(`${entry.handle}  ${visible(reason)}`)
      }
      done(page.length)
    }
  })
  if (terminal.json) await terminal.printJson({ checked, undecodable })
  else {
    const style = undecodable === 0 ? 'green' : 'red'
    const result = undecodable === 0 ? 'all of them decode' : `${count(undecodable)} cannot be decoded`
    await terminal.print(terminal.paint(style, `${count(checked)} records: ${result}`))
  }
  return undecodable === 0 ? EXIT.ok : EXIT.problems
}

async function whyUndecodable(target: Target, entry: Entry): Promise<string | undefined> {
  if (entry.state === 'tombstone') return undefined
  if (entry.state !== 'living') return entry.reason
  try {
    await dataOf(target, entry.record)
    return undefined
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error
    return error.message
  }
}
