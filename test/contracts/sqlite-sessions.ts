// Opens a SqliteStore in a process of the contract. The file is in the query of this module's address.
import { type Database, SqliteStore } from '../../examples/contracts/sqlite-store.js'

// Not a literal: the types are those of Node 20.
const name: string = 'node:sqlite'
const { DatabaseSync }: { DatabaseSync: new (path: string) => Database } = await import(name)
const path = new URL(import.meta.url).searchParams.get('path') ?? ''

export const open = () => new SqliteStore(new DatabaseSync(path))
