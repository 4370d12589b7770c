// The store that docs/stores.md shows as an example.
import t from 'tap'
import { MapStore } from '../../examples/map-store.js'
import { storeContract } from '../contracts/store.js'
import { createApp } from '../support/app.js'
import { Browser } from '../support/browser.js'

t.test('MapStore: keeps the contract', (t) => {
  const store = new MapStore()
  storeContract(t, () => store)
  t.end()
})

t.test('store: sessions work with a custom store', async (t) => {
  const app = await createApp(t, { store: new MapStore() })
  app.get('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return { count: session.count }
  })
  const browser = new Browser(app)
  await browser.request('/count')
  t.same(await browser.json('/count'), { count: 2 })
})
