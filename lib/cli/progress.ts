// A bar that shows what remains. Only on a terminal, and on stderr, so that the result stays clean.
import { clearLine, cursorTo } from 'node:readline'
import { type Options, SingleBar } from 'cli-progress'
import { openRecords } from '../sessions/access.js'
import { handlesIn } from '../sessions/all.js'
import type { Target } from './target.js'
import type { Terminal } from './terminal.js'

/** Called with how many more are done. */
type Done = (count: number) => void

/** Runs work that looks at all sessions, and shows how far it is. */
export async function withProgress<Result>(
  terminal: Terminal,
  target: Target,
  label: string,
  work: (done: Done) => Promise<Result>
): Promise<Result> {
  const { stderr } = terminal
  if (stderr.isTTY !== true) return work(() => {})
  const total = await countHandles(target)
  const settings: Options = {
    stream: stderr,
    format: `${label} {bar} {percentage} %  {value} of {total}  {speed} a second  {eta_formatted} left`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    fps: 5,
    etaBuffer: 1_000,
    hideCursor: false,
    clearOnComplete: true,
    formatValue: (value) => value.toLocaleString('en-US')
  }
  const bar = new SingleBar(settings)
  const startedAt = Date.now()
  bar.start(total, 0, { speed: 0 })
  terminal.bar = {
    clear() {
      clearLine(stderr, 0)
      cursorTo(stderr, 0)
    }
  }
  let value = 0
  try {
    return await work((count) => {
      value += count
      const speed = Math.round((1000 * value) / (Date.now() - startedAt + 1)).toLocaleString('en-US')
      // Sessions that begin meanwhile are looked at as well.
      bar.update(Math.min(value, total), { speed })
    })
  } finally {
    bar.stop()
    terminal.bar = undefined
  }
}

// SCAN does not say how much remains, and other applications may keep more keys in the same database than there are
// sessions.
async function countHandles({ context }: Target): Promise<number> {
  const { store } = openRecords(context)
  let total = 0
  for await (const handles of handlesIn(store, context.prefix)) total += handles.length
  return total
}
