/** A replica that takes over lacks no more than the last of this time, ms; and so many users leave in it at most. */
const FORGETFUL_MS = 30_000;
const MAX_LEFT_USERS = 10_000;

/** How many connections each user has on this node, and of whom Redis may have another number. */
export class UserCounts {
  readonly #counts = new Map<string, number>();
  /** Connections, by id, that are not to count for other nodes yet: it is too early to say whether they are let in. */
  readonly #waiting = new Map<string, Set<string>>();
  /** Users without a connection here any more, and since when (performance.now()), the oldest first. */
  readonly #leftMs = new Map<string, number>();
  /** Users whose count in Redis may not be right. */
  readonly #uncertain = new Set<string>();

  get isSettled(): boolean {
    return this.#uncertain.size === 0;
  }

  /** All connections of a user, also those that it is too early to say of. */
  of(user: string): number {
    return this.#counts.get(user) ?? 0;
  }

  /** What other nodes are to count. */
  shared(user: string): number {
    return this.of(user) - (this.#waiting.get(user)?.size ?? 0);
  }

  /** One connection more. Returns how many there are with it. */
  add(user: string): number {
    const count = this.of(user) + 1;
    this.#counts.set(user, count);
    return count;
  }

  remove(user: string, id: string): void {
    this.proceed(user, id);
    const left = this.of(user) - 1;
    if (left > 0) this.#counts.set(user, left);
    else this.#leave(user);
    this.#uncertain.add(user);
  }

  wait(user: string, id: string): void {
    const waiting = this.#waiting.get(user) ?? new Set();
    waiting.add(id);
    this.#waiting.set(user, waiting);
  }

  /** Ends the waiting. */
  proceed(user: string, id: string): void {
    const waiting = this.#waiting.get(user);
    waiting?.delete(id);
    if (waiting?.size === 0) this.#waiting.delete(user);
  }

  #leave(user: string): void {
    this.#counts.delete(user);
    this.#leftMs.delete(user);
    this.#leftMs.set(user, performance.now());
    const oldestMs = performance.now() - FORGETFUL_MS;
    for (const [other, leftMs] of this.#leftMs) {
      if (leftMs >= oldestMs && this.#leftMs.size <= MAX_LEFT_USERS) break;
      this.#leftMs.delete(other);
    }
  }

  /** Redis may not have this user's. */
  doubt(user: string): void {
    this.#uncertain.add(user);
  }

  /** Redis may have other counts, also of those who left of late. */
  doubtAll(): void {
    for (const users of [this.#counts, this.#leftMs]) {
      for (const user of users.keys()) this.#uncertain.add(user);
    }
  }

  /** Redis has no counts. */
  forget(): void {
    for (const user of this.#counts.keys()) this.#uncertain.add(user);
  }

  /** Some of the users whose counts are to be written; they are taken for written. */
  takeUncertain(most: number): string[] {
    const users: string[] = [];
    for (const user of this.#uncertain) {
      if (users.length === most) break;
      users.push(user);
      this.#uncertain.delete(user);
    }
    return users;
  }
}
