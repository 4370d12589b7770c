// The README's first sample is examples/basic.ts. It answers as the dialogue below it shows, and keeps parallel items.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { freePort, startRedis } from '../support/redis-server.js'
import { blocks } from './pages.js'

const [sample, dialogue] = ['ts', 'console'].map((language) =>
  blocks.find((block) => block.page === 'README.md' && block.language === language)
)

t.test('README: the first sample is examples/basic.ts', (t) => {
  t.equal(sample?.code, readFileSync('examples/basic.ts', 'utf8'))
  t.end()
})

t.test('README: the first sample answers curl as shown, and keeps parallel items', async (t) => {
  const port = await freePort()
  const { url } = await startRedis(t)
  const program = fileURLToPath(new URL('../../examples/basic.js', import.meta.url))
  const server = spawn(process.execPath, [...process.execArgv, program], {
    env: { ...process.env, REDIS_URL: url, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'inherit']
  })
  t.teardown(() => server.kill())
  const jar = new Map<string, string>()

  /** Like curl with `-b jar -c jar`, on any port. */
  async function curl(command: string): Promise<string> {
    const { method = 'GET', path } =
      /^curl -b jar -c jar (?:-X (?<method>POST) )?localhost:3000(?<path>\/\S*)$/.exec(command)?.groups ?? {}
    if (path === undefined) throw new Error(`not understood: ${command}`)
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(`http://localhost:${port}${path}`, { method, headers: { cookie } })
    for (const line of response.headers.getSetCookie()) {
      const { name = '', value = '' } = /^(?<name>[^=]+)=(?<value>[^;]*)/.exec(line)?.groups ?? {}
      if (/max-age=0/i.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    return response.text()
  }

  while (server.exitCode === null && !(await fetch(`http://localhost:${port}`).catch(() => false))) {
    await sleep(50)
  }
  const exchanges = [...(dialogue?.code ?? '').matchAll(/^\$ (.*)\n(.*)\n/gm)]
  t.ok(exchanges.length > 4)
  for (const [, command = '', answer] of exchanges) t.equal(await curl(command), answer, command)

  const add = (item: string) => curl(`curl -b jar -c jar -X POST localhost:3000/cart/${item}`)
  await add('a')
  await Promise.all([...'bcdefgh'].map(add))
  const { items } = JSON.parse(await curl('curl -b jar -c jar localhost:3000/whoami'))
  t.same(items.sort(), [...'abcdefgh'])
})
