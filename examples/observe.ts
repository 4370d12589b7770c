// Sessions as Prometheus metrics and as OpenTelemetry spans, from the messages on the diagnostics channel.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { trace } from '@opentelemetry/api'
import type { SessionEvent } from 'fastify-ioredis-session'
import { Counter, Histogram, register } from 'prom-client'

const CHANNEL = 'fastify-ioredis-session'

/** @returns What ends it. */
export function countSessionEvents(registry = register): () => void {
  const registers = [registry]
  const labelNames = ['type']
  const total = new Counter({
    name: 'session_events_total',
    help: 'What became of sessions',
    labelNames,
    registers
  })
  const seconds = new Histogram({
    name: 'session_seconds',
    help: 'Time spent on the store',
    labelNames,
    registers
  })
  return listen((event) => {
    total.inc({ type: event.type })
    if ('ms' in event) seconds.observe({ type: event.type }, event.ms / 1_000)
  })
}

/** Each load and commit as a span within the request's own. @returns What ends it. */
export function traceSessionEvents(): () => void {
  const tracer = trace.getTracer(CHANNEL)
  return listen((event) => {
    if (event.type !== 'load' && event.type !== 'commit') return
    const end = Date.now()
    const attributes = { 'session.handle': event.handle }
    tracer.startSpan(`session ${event.type}`, { startTime: end - event.ms, attributes }).end(end)
  })
}

function listen(tell: (event: SessionEvent) => void): () => void {
  const listener = (message: unknown) => tell(message as SessionEvent)
  subscribe(CHANNEL, listener)
  return () => unsubscribe(CHANNEL, listener)
}
