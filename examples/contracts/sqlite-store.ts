// A store on SQLite, by node:sqlite or better-sqlite3.
import { type Outcome, REVISION, type Store, TOUCH } from 'fastify-ioredis-session'

/** What both libraries have. */
export interface Database {
  exec(sql: string): unknown
  prepare(sql: string): { get(...values: unknown[]): unknown; run(...values: unknown[]): unknown }
}

export class SqliteStore implements Store {
  readonly #database: Database
  readonly #select: ReturnType<Database['prepare']>
  readonly #put: ReturnType<Database['prepare']>
  readonly #remove: ReturnType<Database['prepare']>
  readonly #purge: ReturnType<Database['prepare']>

  constructor(database: Database) {
    this.#database = database
    // Wait for other processes, at most a second.
    database.exec('PRAGMA busy_timeout = 1000')
    // No commit keeps its lock until the disk has it: all others would wait too. A power failure may undo the last ones.
    database.exec('PRAGMA journal_mode = WAL')
    database.exec('PRAGMA synchronous = NORMAL')
    database.exec('CREATE TABLE IF NOT EXISTS sessions (key TEXT PRIMARY KEY, record BLOB, expiresAt REAL)')
    database.exec('CREATE INDEX IF NOT EXISTS sessionEnds ON sessions (expiresAt)')
    this.#select = database.prepare('SELECT record FROM sessions WHERE key = ? AND expiresAt > ?')
    this.#put = database.prepare('INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)')
    this.#remove = database.prepare('DELETE FROM sessions WHERE key = ?')
    this.#purge = database.prepare('DELETE FROM sessions WHERE expiresAt <= ?')
  }

  async read(key: string) {
    return this.#find(key)
  }
  async create(key: string, record: Uint8Array, expiresAt: number) {
    return this.#atomically(() => {
      if (this.#find(key)) return false
      this.#put.run(key, record, expiresAt)
      return true
    })
  }
  async update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number) {
    return this.#when(key, revision, () => this.#put.run(key, record, expiresAt))
  }
  async touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number) {
    return this.#when(key, revision, (record) => {
      record.set(patch, TOUCH.offset)
      this.#put.run(key, record, expiresAt)
    })
  }
  async destroy(key: string, revision: Uint8Array) {
    return this.#when(key, revision, () => this.#remove.run(key))
  }

  /** Deletes expired sessions. Call it now and then, such as once a minute. */
  purge() {
    this.#purge.run(Date.now())
  }

  #find(key: string): Buffer | undefined {
    const row = this.#select.get(key, Date.now()) as { record: Uint8Array } | undefined
    return row && Buffer.from(row.record)
  }
  #when(key: string, revision: Uint8Array, write: (record: Buffer) => unknown): Outcome {
    return this.#atomically(() => {
      const record = this.#find(key)
      if (!record) return 'missing'
      const current = record.subarray(REVISION.offset, REVISION.offset + REVISION.length)
      if (!current.equals(revision)) return record
      write(record)
      return 'done'
    })
  }
  // IMMEDIATE: no other process can write between reading and writing.
  #atomically<Result>(work: () => Result): Result {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      this.#database.exec('ROLLBACK')
      throw error
    }
  }
}
