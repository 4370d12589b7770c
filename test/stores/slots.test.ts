// The slots of keys, as Redis calculates them.
import t from 'tap'
import { slotOf } from '../../lib/stores/slots.js'
import { newKey } from '../contracts/store.js'
import { startRedis } from '../support/redis-server.js'

t.test('slotOf(): the slot is the one of Redis', async (t) => {
  const { client } = await startRedis(t, '--cluster-enabled', 'yes')
  const tagged = ['{app}:session:a', 'a{b}c', '{}{a}', 'a{}b', '{{a}}', '{a', 'a}', '}{a}', '', 'ä{ö}']
  for (const key of [...tagged, ...Array.from({ length: 100 }, newKey)]) {
    t.equal(slotOf(key), Number(await client.call('CLUSTER', 'KEYSLOT', key)), key)
  }
})
