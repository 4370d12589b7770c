// A process that blocks while Redis answers: answers that arrived meanwhile count.
import { Socket } from 'node:net'
import t from 'tap'
import { createApp } from './support/app.js'
import { block } from './support/block.js'
import { Browser } from './support/browser.js'
import { startRedis } from './support/redis-server.js'

t.test('timeout: a request whose answer arrived while the event loop was blocked succeeds', async (t) => {
  const timeout = 2_000
  const server = await startRedis(t)
  const app = await createApp(t, { redis: { host: '127.0.0.1', port: server.port }, timeout })
  app.get('/read', async ({ session }) => ({ count: session.count }))
  app.get('/write', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return {}
  })
  // Blocks after a command to Redis was written to its socket.
  let countdown = 0
  const { write } = Socket.prototype
  Socket.prototype.write = function (this: Socket, ...args: unknown[]) {
    const result: boolean = Reflect.apply(write, this, args)
    if (this.remotePort === server.port && countdown > 0 && --countdown === 0) block(1.5 * timeout)
    return result
  } as typeof write
  t.teardown(() => {
    Socket.prototype.write = write
  })
  const browsers = Array.from({ length: 10 }, () => new Browser(app))
  const all = (url: string) => Promise.all(browsers.map((browser) => browser.request(url)))
  await all('/write')
  for (const url of ['/read', '/write']) {
    for (const command of [1, 2]) {
      countdown = command
      const answers = await all(url)
      const wasBlocked = countdown <= 0
      t.same(
        answers.map(({ statusCode }) => statusCode),
        Array(10).fill(200),
        `${url}, command ${command}`
      )
      t.equal(wasBlocked, url === '/write' || command === 1)
      countdown = 0
    }
  }
  t.same(
    app.logLines.filter(({ level }) => level >= 40),
    []
  )
})
