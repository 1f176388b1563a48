import type { Session } from "./session.ts";

/** The node's sessions by id, by user and by address. */
export class Registry {
  readonly #sessions = new Map<string, Session>();
  readonly #byUser = new Map<string, Set<Session>>();
  readonly #byAddress = new Map<string, number>();
  /** Sessions that have not finished connect. */
  readonly pending = new Set<Session>();

  get size(): number {
    return this.#sessions.size;
  }

  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  find(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  countOfAddress(address: string): number {
    return this.#byAddress.get(address) ?? 0;
  }

  ofUser(user: string): ReadonlySet<Session> {
    return this.#byUser.get(user) ?? new Set();
  }

  opened(session: Session): void {
    this.#sessions.set(session.id, session);
    this.pending.add(session);
    this.#byAddress.set(session.address, this.countOfAddress(session.address) + 1);
  }

  /** The session is connected as this user. */
  connected(session: Session, user: string | null): void {
    this.pending.delete(session);
    if (user === null) return;
    const sessions = this.#byUser.get(user);
    if (sessions === undefined) this.#byUser.set(user, new Set([session]));
    else sessions.add(session);
  }

  closed(session: Session): void {
    if (!this.#sessions.delete(session.id)) return;
    this.pending.delete(session);
    const left = this.countOfAddress(session.address) - 1;
    if (left > 0) this.#byAddress.set(session.address, left);
    else this.#byAddress.delete(session.address);
    const user = session.identity?.user ?? null;
    if (user === null) return;
    const sessions = this.#byUser.get(user);
    sessions?.delete(session);
    if (sessions?.size === 0) this.#byUser.delete(user);
  }
}
