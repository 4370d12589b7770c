// The progress of a run: a bar on a terminal, or a line from time to time in a log.
import { Presets, SingleBar } from 'cli-progress'
import type { Progress } from './part.js'

const LINE_EVERY = 30_000

export function startProgress(): Progress {
  return process.stdout.isTTY ? bar() : lines()
}

function bar(): Progress {
  let current: SingleBar | undefined
  const end = () => {
    current?.stop()
    current = undefined
  }
  return {
    begin(title, steps) {
      end()
      const format = `${title} {bar} {percentage} % · {eta_formatted} remain · {what}`
      current = new SingleBar({ format, clearOnComplete: true, etaBuffer: 50 }, Presets.shades_classic)
      current.start(steps, 0, { what: '' })
    },
    step: (what) => current?.increment(1, { what }),
    end,
    say: (line) => console.log(current ? `\r\x1b[K${line}` : line)
  }
}

function lines(): Progress {
  let title = ''
  let total = 0
  let done = 0
  let startedAt = 0
  let saidAt = 0
  return {
    begin(what, steps) {
      ;[title, total, done] = [what, steps, 0]
      startedAt = saidAt = performance.now()
      console.log(title)
    },
    step(what) {
      done++
      const now = performance.now()
      if (now - saidAt < LINE_EVERY) return
      saidAt = now
      const remaining = ((now - startedAt) / done) * (total - done)
      console.log(`${title}: ${done} of ${total}, ${Math.round(remaining / 1000)} s remain · ${what}`)
    },
    end: () => {},
    say: (line) => console.log(line)
  }
}
