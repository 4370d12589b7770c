// The measured subjects: each is a server in its own process, and all have the same routes.
import type { ScenarioName } from './scenarios.js'

export type SubjectName = (typeof SUBJECTS)[number]['name']

export interface Subject {
  name: string
  /** The part that measures it. */
  part: 'server' | 'peers'
  /** The module that exports its `start`. */
  module: string
  /** Where its sessions are. */
  keeps: 'redis' | 'memory' | 'nothing'
  /** Whether quick runs include it. */
  quick: boolean
  /** Its scenarios, if it takes part in few. */
  only?: readonly ScenarioName[]
}

/** The session written by hand, which is the limit to beat and the base of all ratios. */
export const REFERENCE = 'hand-written'

export const SUBJECTS = [
  { name: REFERENCE, part: 'server', module: './hand-written.js', keeps: 'redis', quick: true },
  { name: 'json', part: 'server', module: './ours.js', keeps: 'redis', quick: true },
  { name: 'superjson', part: 'server', module: './ours.js', keeps: 'redis', quick: false },
  { name: 'msgpack', part: 'server', module: './ours.js', keeps: 'redis', quick: true },
  { name: 'json in memory', part: 'server', module: './ours.js', keeps: 'memory', quick: false },
  { name: 'superjson in memory', part: 'server', module: './ours.js', keeps: 'memory', quick: false },
  { name: 'msgpack in memory', part: 'server', module: './ours.js', keeps: 'memory', quick: false },
  {
    name: 'json, near cache',
    part: 'server',
    module: './ours.js',
    keeps: 'redis',
    quick: true,
    only: ['read', 'read object', 'read object, peek', 'write']
  },
  {
    name: 'json, encrypted',
    part: 'server',
    module: './ours.js',
    keeps: 'redis',
    quick: false,
    only: ['read', 'read 10 KB', 'write', 'write 10 KB']
  },
  { name: 'fastify', part: 'server', module: './bare.js', keeps: 'nothing', quick: false },
  { name: 'fastify + cookie', part: 'server', module: './bare.js', keeps: 'nothing', quick: true },
  {
    name: '@fastify/session, ioredis',
    part: 'peers',
    module: './fastify-session.js',
    keeps: 'redis',
    quick: false
  },
  {
    name: '@fastify/session, ioredis, best',
    part: 'peers',
    module: './fastify-session.js',
    keeps: 'redis',
    quick: false
  },
  {
    name: '@fastify/session, connect-redis',
    part: 'peers',
    module: './fastify-session.js',
    keeps: 'redis',
    quick: false
  },
  {
    name: '@fastify/session, connect-redis, best',
    part: 'peers',
    module: './fastify-session.js',
    keeps: 'redis',
    quick: true
  },
  { name: '@mgcrea/fastify-session', part: 'peers', module: './mgcrea.js', keeps: 'redis', quick: true },
  {
    name: 'express-session, connect-redis',
    part: 'peers',
    module: './express.js',
    keeps: 'redis',
    quick: true
  }
] as const satisfies readonly Subject[]
