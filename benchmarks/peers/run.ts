// `npm run peers`: shows what sessions survive with each library, by real requests on a real Redis, in half a minute.
// It fails if results/peers.md has another table; `--write` writes the table there and into the README.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { installPackages } from '../install.js'
import { type PrivateRedis, withRedis } from '../private-redis.js'
import { describeVersions, LATEST } from '../results.js'
import { costRows } from './costs.js'
import type { Library, Running } from './libraries.js'
import type { Question } from './questions.js'
import { Visitor } from './visitor.js'

const FILE = fileURLToPath(new URL('../results/peers.md', import.meta.url))
const README = fileURLToPath(new URL('../../README.md', import.meta.url))

installPackages()
const { LIBRARIES } = await import('./libraries.js')
const { QUESTIONS } = await import('./questions.js')

async function ask(library: Library, question: Question, { redis, port }: PrivateRedis): Promise<string> {
  await redis.flushall()
  const options = question.commandTimeout === undefined ? {} : { commandTimeout: question.commandTimeout }
  const client = new Redis({ port, host: '127.0.0.1', ...options })
  client.on('error', () => {})
  let meanwhile: (() => Promise<unknown>) | undefined
  const start = (other: boolean): Promise<Running> =>
    library.start({
      client,
      url: `redis://127.0.0.1:${port}`,
      other,
      async meanwhile() {
        const work = meanwhile
        meanwhile = undefined
        await work?.()
      }
    })
  let server = await start(false)
  const visitor = new Visitor(() => server.port)
  try {
    await visitor.get('/set?key=first')
    return await question.ask({
      visitor,
      redis,
      hasEncodings: library.hasEncodings,
      during(work) {
        meanwhile = work
      },
      async redeploy() {
        await server.close()
        server = await start(true)
      },
      async frozen(work) {
        const pid = Number(/^process_id:(\d+)/m.exec(await redis.info('server'))?.[1])
        process.kill(pid, 'SIGSTOP')
        try {
          return await work()
        } finally {
          process.kill(pid, 'SIGCONT')
        }
      }
    })
  } finally {
    await server.close()
    client.disconnect()
  }
}

const rows: string[][] = []
await withRedis(async (redis) => {
  for (const question of QUESTIONS) {
    const answers: string[] = []
    for (const library of LIBRARIES) answers.push(await ask(library, question, redis))
    rows.push([question.row, ...answers])
  }
})

const head = ['', ...LIBRARIES.map(({ name }) => name)]
const table = [head, head.map(() => '---'), ...rows, ...costRows(LATEST)]
  .map((cells) => `| ${cells.join(' | ')} |`)
  .join('\n')
console.log(table)
if (process.argv.includes('--write')) {
  const versions = Object.entries(describeVersions()).map(([name, version]) => `${name} ${version}`)
  writeFileSync(FILE, `Written by \`npm run peers -- --write\`.\n\n${table}\n\n${versions.join(', ')}\n`)
  const readme = readFileSync(README, 'utf8')
  writeFileSync(
    README,
    readme.replace(/(?<=<!-- peers -->\n)[\s\S]*(?=\n<!-- \/peers -->)/, () => table)
  )
} else if (!readFileSync(FILE, 'utf8').includes(table)) {
  console.error(`${FILE} has another table. Run npm run peers -- --write to update it.`)
  process.exitCode = 1
}
