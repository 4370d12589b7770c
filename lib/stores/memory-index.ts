// The index of the memory store.
import {
  ENDING,
  ENTERING,
  type Entered,
  type Entry,
  type Indexed,
  membersOf,
  REVOKED,
  type SessionIndex,
  sessionsIn
} from './session-index.js'

/** When each member may be forgotten. */
type Members = Map<string, number>

export class MemoryIndex implements SessionIndex {
  readonly #sets = new Map<string, Members>()

  async enter(key: string, entry: Entry): Promise<Entered> {
    const { handle, lifetime, entering, from, isLogin, limit, drop } = entry
    return this.#change(key, (members) => {
      for (const member of drop.flatMap(membersOf)) members.delete(member)
      if (!members.has(handle) && !members.has(from)) {
        if (!isLogin && members.has(REVOKED)) return 'refused'
        const sessions = sessionsIn([...members.keys()])
        if (isLogin && limit > 0 && sessions.length >= limit) return sessions
      }
      members.set(handle, Date.now() + lifetime)
      if (entering > 0) members.set(ENTERING + handle, Date.now() + entering)
      return 'entered'
    })
  }

  async list(key: string): Promise<Indexed[]> {
    return this.#change(key, (members) => sessionsIn([...members.keys()]))
  }

  async leave(key: string, handles: readonly string[]): Promise<void> {
    this.#change(key, (members) => {
      for (const member of handles.flatMap(membersOf)) members.delete(member)
    })
  }

  async revoke(key: string, keep: readonly string[], lifetime: number): Promise<string[]> {
    return this.#change(key, (members) => {
      for (const [member, end] of [...members]) {
        if (member === REVOKED || member.startsWith(ENTERING) || member.startsWith(ENDING)) continue
        if (keep.includes(member)) continue
        members.delete(member)
        members.delete(ENTERING + member)
        members.set(ENDING + member, end)
      }
      members.set(REVOKED, Date.now() + lifetime)
      return [...members.keys()]
        .filter((member) => member.startsWith(ENDING))
        .map((member) => member.slice(ENDING.length))
    })
  }

  /** Forgets what may be forgotten. */
  purge(): void {
    for (const key of [...this.#sets.keys()]) this.#change(key, () => undefined)
  }

  clear(): void {
    this.#sets.clear()
  }

  #change<Result>(key: string, work: (members: Members) => Result): Result {
    const members = this.#sets.get(key) ?? new Map()
    for (const [member, end] of [...members]) if (end <= Date.now()) members.delete(member)
    const result = work(members)
    if (members.size > 0) this.#sets.set(key, members)
    else this.#sets.delete(key)
    return result
  }
}
