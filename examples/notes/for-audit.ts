// The application for `npx fastify-ioredis-session audit --app examples/notes/for-audit.ts`, which does not listen.
import { MemoryStore } from 'fastify-ioredis-session'
import { createApp } from './app.js'

export default () =>
  createApp({ store: new MemoryStore(), serializer: 'superjson', secret: process.env.SESSION_SECRET })
