// Koa with koa-session and koa-generic-session, and their sessions in koa-redis.
import { once } from 'node:events'
import type { Server } from 'node:http'
import { type Data, dataOf, OLD_SECRET, requireOld, type Start, serve } from './real-applications.js'

interface Context {
  path: string
  body: unknown
  session: Data | null
}

type Middleware = (ctx: Context, next: () => Promise<unknown>) => unknown

interface KoaApp {
  keys: string[]
  use(middleware: Middleware): void
  listen(port: number, host: string): Server
}

const koaApp =
  (sessions: (app: KoaApp, store: unknown) => Middleware): Start =>
  async (t, { port }) => {
    const app: KoaApp = new (requireOld('koa'))()
    const store = requireOld('koa-redis')({ port, host: '127.0.0.1' })
    await once(store, 'ready')
    t.teardown(() => {
      // koa-generic-session would wait for it to connect again.
      store.removeAllListeners('disconnect')
      store.client.disconnect()
    })
    app.keys = [OLD_SECRET]
    app.use(sessions(app, store))
    app.use((ctx) => {
      const [, route, name = ''] = ctx.path.split('/')
      ctx.body = route === 'who' ? { name: ctx.session?.name ?? null } : {}
      if (route === 'in') Object.assign(ctx.session ?? {}, dataOf(name))
    })
    return serve(t, app.listen(0, '127.0.0.1'))
  }

export const koaSessionApp = koaApp((app, store) => requireOld('koa-session').default({ store }, app))
export const koaGenericSessionApp = koaApp((_, store) => requireOld('koa-generic-session')({ store }))
