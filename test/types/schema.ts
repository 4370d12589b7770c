// The types of schemas for users. Checked by `tsc`, never run.
import type { FastifyRequest } from 'fastify'
import type {
  Dictionary,
  InferOutput,
  RedisSessionOptions,
  SchemaOptions,
  StandardSchema,
  Upgrade
} from 'fastify-ioredis-session'
import { z } from 'zod'

function options(_options: RedisSessionOptions): void {}

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_equal: Equal<A, B>): void {}

declare const own: StandardSchema<{ ticket?: string }, { ticket: number }>
const ofZod = z.object({ coupon: z.string(), until: z.coerce.date().optional() })

declare module 'fastify-ioredis-session' {
  interface SessionData extends InferOutput<typeof own>, InferOutput<typeof ofZod> {}
}

export function keys({ session }: FastifyRequest): void {
  const { coupon, ticket } = session
  same<typeof coupon, string | undefined>(true)
  same<typeof ticket, number | undefined>(true)
  const until = session.get('until')
  same<typeof until, Date | undefined>(true)
  session.set('coupon', 'SPRING')
  // @ts-expect-error: it is a text
  session.set('coupon', 7)
  // @ts-expect-error: the output is a number
  session.ticket = '7'
}

export function schemas(upgrade: Upgrade): void {
  options({ schema: { version: 1 } })
  options({ schema: { version: 1, validate: own, onInvalid: 'empty' } })
  options({ schema: { version: 1, validate: ofZod } })
  options({ schema: { version: 3, upgrade: { 1: upgrade, 2: (data: Dictionary) => ({ ...data, a: 1 }) } } })
  // @ts-expect-error: needs a version
  options({ schema: { validate: own } })
  // @ts-expect-error: not a schema
  options({ schema: { version: 1, validate: (value: unknown) => value } })
  // @ts-expect-error: no schema of a session
  options({ schema: { version: 1, validate: z.string() } })
  // @ts-expect-error: returns no data
  options({ schema: { version: 2, upgrade: { 1: () => {} } } })
  // @ts-expect-error: is asynchronous
  options({ schema: { version: 2, upgrade: { 1: async (data: Dictionary) => data } } })
  // @ts-expect-error: not a choice
  options({ schema: { version: 1, onInvalid: 'ignore' } })
  const chosen: SchemaOptions = { version: 1 }
  options({ schema: chosen })
}
