// The store on node:sqlite that docs/stores.md shows. Node has this module since version 22.5.
import t from 'tap'
import { type Database, SqliteStore } from '../../examples/contracts/sqlite-store.js'
import { storeContract } from '../contracts/store.js'

// Not a literal: the types are those of Node 20.
const name: string = 'node:sqlite'
const sqlite: { DatabaseSync: new (path: string) => Database } | undefined = await import(name).catch(
  () => undefined
)

t.test('SqliteStore: keeps the contract', { skip: sqlite === undefined && 'no node:sqlite' }, (t) => {
  const { DatabaseSync } = sqlite as NonNullable<typeof sqlite>
  const path = `${t.testdir()}/sessions.db`
  const module = new URL('../contracts/sqlite-sessions.js', import.meta.url)
  module.searchParams.set('path', path)
  const options = { module, execArgv: process.execArgv }
  storeContract(t, () => new SqliteStore(new DatabaseSync(path)), options)
  t.end()
})
