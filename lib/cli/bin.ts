#!/usr/bin/env node
// The program `fastify-ioredis-session`.
import { run } from './program.js'

run(process.argv.slice(2), process).then((code) => {
  process.exitCode = code
})
