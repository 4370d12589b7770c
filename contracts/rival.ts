// A separate process that changes one record as often as it can. Arguments: the module that exports `open`, the key. It
// begins when it is told to, and says how many of its changes were stored.
import process from 'node:process'
import type { Store } from '../lib/stores/store.js'
import { increment } from './rivals.js'

const [module = '', key = ''] = process.argv.slice(2)
const { open }: { open: () => Store } = await import(module)
const store = open()
process.once('message', async () => {
  process.send?.(await increment(store, key))
  // A store may have connections that nobody closes.
  process.exit()
})
process.send?.('ready')
