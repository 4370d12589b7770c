// Keeps the index up to date: it learns of every session before that is stored, and forgets it afterwards.
import type { SessionRecord } from '../records/record.js'
import { RevokedError, type SessionObserver } from '../request/observer.js'
import type { RequestParts } from '../request/parts.js'
import { signIn } from './sign-in.js'
import { isRenewalDue, type Users } from './users.js'

export class UserObserver implements SessionObserver {
  readonly #users: Users

  constructor(users: Users) {
    this.#users = users
  }

  created(handle: string, record: SessionRecord, parts: RequestParts): Promise<void> | undefined {
    const user = this.#users.identity.of(record)
    return user === undefined ? undefined : signIn(this.#users, parts, user, { handle, record, from: '' })
  }

  moved(
    from: string,
    to: string,
    record: SessionRecord,
    before: SessionRecord,
    parts: RequestParts
  ): Promise<void> | undefined {
    const { identity, entering } = this.#users
    const user = identity.of(record)
    if (user === undefined) return undefined
    // The user signs in if the session does not keep who they are.
    const isKept = identity.was(before, parts.state.draft.keep) === user
    if (isKept) return this.#renew(parts, user, record, from, to, entering)
    const isSame = identity.was(before) === user
    return signIn(this.#users, parts, user, { handle: to, record, from: isSame ? from : '' })
  }

  updated(
    handle: string,
    record: SessionRecord,
    before: SessionRecord,
    parts: RequestParts
  ): Promise<void> | undefined {
    const isRenewed = isRenewalDue(before, record)
    const isSameData = hasSameData(before, record)
    if (isSameData && !isRenewed) return undefined
    const { identity } = this.#users
    const user = identity.of(record)
    if (user === undefined) return undefined
    if (!isSameData && identity.was(before) !== user) {
      return signIn(this.#users, parts, user, { handle, record, from: '' })
    }
    return isRenewed ? this.#renew(parts, user, record, handle, handle, 0) : undefined
  }

  replaced(
    handle: string,
    record: SessionRecord | undefined,
    before: SessionRecord,
    parts: Pick<RequestParts, 'store'>
  ): Promise<void> | undefined {
    if (record !== undefined && hasSameData(before, record)) return undefined
    const { identity } = this.#users
    const user = identity.was(before)
    if (user === undefined || (record !== undefined && identity.was(record) === user)) return undefined
    return this.#users.leave(parts.store, user, [handle])
  }

  destroyed(
    handle: string,
    before: SessionRecord | undefined,
    parts: Pick<RequestParts, 'store'>
  ): Promise<void> | undefined {
    return before && this.replaced(handle, undefined, before, parts)
  }

  async #renew(
    parts: RequestParts,
    user: string,
    { header }: SessionRecord,
    from: string,
    handle: string,
    entering: number
  ): Promise<void> {
    const answer = await this.#users.enter(parts.store, user, {
      ...{ handle, from, entering, lifetime: this.#users.lifetimeOf(header) },
      ...{ isLogin: false, limit: 0, drop: [] }
    })
    if (answer === 'refused') throw new RevokedError()
  }
}

function hasSameData(a: SessionRecord, b: SessionRecord): boolean {
  const isSameKind = a.header.tag === b.header.tag && a.header.schemaVersion === b.header.schemaVersion
  return isSameKind && a.payload.equals(b.payload)
}
