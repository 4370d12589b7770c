// A contract without fast-check says what to install.
import { MemoryStore } from 'fastify-ioredis-session'
import { storeContract } from 'fastify-ioredis-session/contracts'

const store = new MemoryStore()
const contract = storeContract(() => store)
const failures = await Promise.all(contract.map(({ run }) => run().catch(({ message }) => message)))
const said = failures.filter((message) => message !== undefined)
if (said.join() !== 'this contract needs fast-check: npm install --save-dev fast-check')
  throw new Error(said.join())
process.exit()
