// What another session library tells its users to declare does no harm. Checked by `tsc`, never run.
import type { FastifyRequest } from 'fastify'
import type { Session as OurSession } from 'fastify-ioredis-session'

// As the README of @fastify/session has it.
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
