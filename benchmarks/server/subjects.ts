// What is measured: each a server of its own, in a process of its own, with the same routes.

export type SubjectName = (typeof SUBJECTS)[number]['name']

/** The limit to beat, and what everything is compared with: what somebody would write by hand. */
export const REFERENCE = 'hand-written'

/**
 * `part` is where it is measured; `module` exports `start`; `keeps` says where its sessions are; `prefix` is what their
 * keys begin with in Redis.
 */
export const SUBJECTS = [
  { name: REFERENCE, part: 'server', module: './hand-written.js', keeps: 'redis' },
  { name: 'json', part: 'server', module: './ours.js', keeps: 'redis' },
  { name: 'superjson', part: 'server', module: './ours.js', keeps: 'redis' },
  { name: 'msgpack', part: 'server', module: './ours.js', keeps: 'redis' },
  { name: 'json in memory', part: 'server', module: './ours.js', keeps: 'memory' },
  { name: 'superjson in memory', part: 'server', module: './ours.js', keeps: 'memory' },
  { name: 'msgpack in memory', part: 'server', module: './ours.js', keeps: 'memory' },
  { name: 'fastify', part: 'server', module: './bare.js', keeps: 'nothing' },
  { name: 'fastify + cookie', part: 'server', module: './bare.js', keeps: 'nothing' },
  { name: '@fastify/session, ioredis', part: 'peers', module: './fastify-session.js', keeps: 'redis' },
  { name: '@fastify/session, ioredis, best', part: 'peers', module: './fastify-session.js', keeps: 'redis' },
  { name: '@fastify/session, connect-redis', part: 'peers', module: './fastify-session.js', keeps: 'redis' },
  {
    name: '@fastify/session, connect-redis, best',
    part: 'peers',
    module: './fastify-session.js',
    keeps: 'redis'
  },
  { name: '@mgcrea/fastify-session', part: 'peers', module: './mgcrea.js', keeps: 'redis' },
  { name: 'express-session, connect-redis', part: 'peers', module: './express.js', keeps: 'redis' }
] as const

export type Subject = (typeof SUBJECTS)[number]
