import type { Logger } from "../../ports.ts";
import type { Session } from "../../sessions/session.ts";
import type { DirectoryList, ListEntry } from "./directory-list.ts";
import { admitScript, countScript } from "./directory-scripts.ts";
import { nameHash } from "./keys.ts";
import type { Keys } from "./keys.ts";
import { messageOf, texts } from "./lease-home.ts";
import type { Home } from "./lease-home.ts";
import type { Lease } from "./lease.ts";
import type { Recount } from "./recount.ts";
import { UserCounts } from "./user-counts.ts";

/** Users whose counts go to Redis in one call. */
const MAX_BATCH_USERS = 250;

export interface AdmissionOptions {
  readonly home: Home;
  readonly keys: Keys;
  readonly lease: Lease;
  readonly recount: Recount;
  /** This node's connections; admission writes a new one's entry in the same step. */
  readonly list: DirectoryList;
  readonly listKeys: () => readonly [index: string, texts: string];
  readonly entryOf: (place: Place) => ListEntry;
  readonly logger: Logger;
  readonly stats: { admittedUnchecked: number };
}

/** A connection that counts, from when it asked to be admitted until it is over. */
export interface Place {
  readonly session: Session;
  readonly user: string | null;
  /** Counts towards its user's limit. */
  readonly isLimited: boolean;
}

/**
 * This node's connections, and how many each user has on all nodes. Every node writes its own counts, as they
 * are and not by how much they change, so that a lost answer or a repetition leaves nothing wrong for long.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #places = new Map<string, Place>();
  readonly #counts = new UserCounts();
  #wasReported = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  places(): ReadonlyMap<string, Place> {
    return this.#places;
  }

  get isSettled(): boolean {
    return this.#counts.isSettled;
  }

  admit(session: Session, user: string | null, limit: number): boolean | Promise<boolean> {
    const place = { session, user, isLimited: user !== null && limit > 0 };
    this.#places.set(session.id, place);
    if (user === null || limit === 0) {
      this.#options.list.touch(session.id);
      return true;
    }
    if (this.#counts.add(user) > limit) {
      // Others cannot make it fewer.
      this.left(session);
      return false;
    }
    return this.#ask(place, user, limit);
  }

  async #ask(place: Place, user: string, limit: number): Promise<boolean> {
    const { session } = place;
    let isAdmitted: boolean;
    try {
      isAdmitted = await this.#run(place, user, limit);
      this.#wasReported = false;
    } catch (error) {
      isAdmitted = this.#decideAlone(user, limit, error);
      this.#mayHave(session, user);
    }
    if (!isAdmitted) this.left(session);
    // The socket closed meanwhile: what was written for it is taken out again.
    if (this.#places.get(session.id) !== place) this.#mayHave(session, user);
    return isAdmitted;
  }

  async #run(place: Place, user: string, limit: number): Promise<boolean> {
    const { lease, recount } = this.#options;
    const { id } = place.session;
    let hasWaited = false;
    for (let attempt = 1; ;) {
      const reply = await this.#send(place, user, limit, !hasWaited);
      if (reply === 0 || reply === 1) return reply === 1;
      if (reply === 3) {
        this.#counts.wait(user, id);
        try {
          await recount.untilOver();
        } finally {
          this.#counts.proceed(user, id);
        }
        // The socket closed meanwhile.
        if (this.#places.get(id) !== place) return false;
        hasWaited = true;
        continue;
      }
      // Nobody would count what is written without a lease.
      if (attempt++ === 2 || !(await lease.renewAfresh()))
        throw new Error("this node has no lease");
    }
  }

  async #send(place: Place, user: string, limit: number, isPatient: boolean): Promise<unknown> {
    const { home, keys, lease, recount, list, listKeys, entryOf } = this.#options;
    const { id } = place.session;
    const entry = entryOf(place);
    const reply = await home.run(
      admitScript,
      [keys.home("nodes"), keys.user(user), ...listKeys(), recount.key],
      [
        lease.name,
        keys.home("lease:"),
        String(this.#counts.shared(user)),
        String(limit),
        id,
        entry.alias,
        entry.text,
        isPatient ? "1" : "0",
      ],
    );
    if (reply === 1) list.has(id, entry.fingerprint);
    return reply;
  }

  /**
   * Who is let in when the others cannot be asked: as many as the limit on this node. Keeping everybody out
   * would turn an outage of Redis into one of the broker.
   */
  #decideAlone(user: string, limit: number, error: unknown): boolean {
    const { logger, stats } = this.#options;
    if (!this.#wasReported) {
      logger.log("warn", "user_limit_per_node_only", { error: messageOf(error) });
    }
    this.#wasReported = true;
    const isAdmitted = this.#counts.of(user) <= limit;
    if (isAdmitted) stats.admittedUnchecked++;
    return isAdmitted;
  }

  #mayHave(session: Session, user: string): void {
    this.#options.list.mayHave(session.id);
    this.#counts.doubt(user);
  }

  left({ id }: Session): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#places.delete(id);
    this.#options.list.touch(id);
    if (place.isLimited && place.user !== null) this.#counts.remove(place.user, id);
  }

  /** Redis may be another one now, without the last counts, and nothing else would show it. */
  recount(): void {
    this.#counts.doubtAll();
  }

  /** Redis has nothing of it: all is to be written. */
  forget(): void {
    this.#options.list.forget(this.#places.keys());
    this.#counts.forget();
  }

  /** Writes counts that may not be right. Rejects when Redis did not take them. */
  async write(): Promise<void> {
    const { home, keys, lease, logger } = this.#options;
    while (!this.isSettled) {
      const users = this.#counts.takeUncertain(MAX_BATCH_USERS);
      const counts = users.map((user) => String(this.#counts.shared(user)));
      const names = users.map((user) => keys.user(user));
      try {
        const refused = texts(await home.run(countScript, names, [lease.name, ...counts]));
        for (const key of refused) logger.log("error", "redis_foreign_value", { key });
      } catch (error) {
        for (const user of users) this.#counts.doubt(user);
        throw error;
      }
    }
  }

  /** How a user's connections are called in the list, so that they can be found by user. */
  static alias({ session, user }: Place): string {
    return user === null ? "" : `${nameHash(user)}.${session.id}`;
  }
}
