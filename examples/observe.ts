// Turns the messages on the diagnostics channel into Prometheus metrics and OpenTelemetry spans.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { trace } from '@opentelemetry/api'
import type { SessionEvent } from 'fastify-ioredis-session'
import { Counter, Histogram, register } from 'prom-client'

const CHANNEL = 'fastify-ioredis-session'

/**
 * Counts session events, and measures the time that requests wait for the store.
 * @returns A function that ends it.
 */
export function countSessionEvents(registry = register): () => void {
  const registers = [registry]
  const labelNames = ['type']
  const total = new Counter({
    name: 'session_events_total',
    help: 'Session events by type',
    labelNames,
    registers
  })
  const seconds = new Histogram({
    name: 'session_seconds',
    help: 'Time that requests waited for the store',
    labelNames,
    registers
  })
  return listen((event) => {
    total.inc({ type: event.type })
    if ('ms' in event) seconds.observe({ type: event.type }, event.ms / 1_000)
  })
}

/**
 * Records each load and commit as a span within the span of the request.
 * @returns A function that ends it.
 */
export function traceSessionEvents(): () => void {
  const tracer = trace.getTracer(CHANNEL)
  return listen((event) => {
    if (event.type !== 'load' && event.type !== 'commit') return
    const end = Date.now()
    const attributes = { 'session.handle': event.handle }
    tracer.startSpan(`session ${event.type}`, { startTime: end - event.ms, attributes }).end(end)
  })
}

function listen(handle: (event: SessionEvent) => void): () => void {
  const listener = (message: unknown) => handle(message as SessionEvent)
  subscribe(CHANNEL, listener)
  return () => unsubscribe(CHANNEL, listener)
}
