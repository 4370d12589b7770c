// Tells an open page that its session has ended, wherever that happened, and why.
import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'

/** In words for the page; empty if the session has not ended with a reason. */
export function whyEnded({ endedBecause }: { endedBecause?: string | undefined }): string {
  return endedBecause === 'ended-by-user' ? 'You signed out this browser from another device.' : ''
}

export function addEndedRoute(app: FastifyInstance): void {
  const streams = new Set<PassThrough>()
  // A server does not close while it has open streams.
  app.addHook('preClose', async () => {
    for (const stream of streams) stream.end()
  })

  // An open page is no use of its session, so that an absent user is signed out.
  app.get('/ended', { config: { session: { touch: false } } }, ({ session }, reply) => {
    const stream = new PassThrough()
    streams.add(stream)
    stream.once('close', () => streams.delete(stream))
    stream.write('retry: 1000\n\n')
    const end = (why: string) => stream.end(`event: ended\ndata: ${why}\n\n`)
    const { signal } = session
    if (!session.has('account')) end(whyEnded(session))
    else if (signal.aborted) end(whyEnded(signal.reason))
    else signal.addEventListener('abort', () => end(whyEnded(signal.reason)))
    return reply.type('text/event-stream').send(stream)
  })
}
