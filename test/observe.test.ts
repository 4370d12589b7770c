// The example for metrics and spans in the documentation.
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { Registry } from 'prom-client'
import t from 'tap'
import { countSessionEvents, traceSessionEvents } from '../examples/observe.js'
import { MemoryStore } from '../lib/index.js'
import { createApp } from './support/app.js'
import { Browser } from './support/browser.js'

t.test('observe.ts: loads and commits become metrics and spans', async (t) => {
  const registry = new Registry()
  const spans = new InMemorySpanExporter()
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }))
  const endCount = countSessionEvents(registry)
  const endTrace = traceSessionEvents()
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await createApp(t, { store })
  app.get('/', async ({ session }) => session.set('count', (session.count ?? 0) + 1))
  const browser = new Browser(app)
  await browser.request('/')
  await browser.request('/')
  endCount()
  endTrace()
  await browser.request('/')
  const metrics = await registry.metrics()
  t.match(metrics, 'session_events_total{type="commit"} 2')
  t.match(metrics, 'session_events_total{type="load"} 1')
  t.match(metrics, 'session_seconds_count{type="commit"} 2')
  const names = spans.getFinishedSpans().map(({ name }) => name)
  t.same(names, ['session commit', 'session load', 'session commit'])
  t.match(spans.getFinishedSpans()[0]?.attributes['session.handle'], /^[\w-]{43}$/)
})
