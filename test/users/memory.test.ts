import t from 'tap'
import { MemoryStore } from '../../lib/index.js'
import { usersContract } from '../contracts/users.js'

t.test('users: the memory store keeps the contract', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  await usersContract(t, () => store)
})
