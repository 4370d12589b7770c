// Declarations that another session library asks for do no harm. Checked by `tsc`, never run.
import type { FastifyRequest } from 'fastify'
import type { Session as OurSession } from 'fastify-ioredis-session'

// Copied from the README of @fastify/session.
declare module 'fastify' {
  interface Session {
    theirs: symbol
  }
  interface SessionRouteConfig {
    theirs: symbol
  }
}

export async function itStaysOurs({ session }: FastifyRequest): Promise<void> {
  const ours: OurSession = session
  await ours.regenerate()
  session.set('userId', 1)
  // @ts-expect-error: theirs
  session.theirs
}
