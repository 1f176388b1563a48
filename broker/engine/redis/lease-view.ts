import type { Clock, Logger } from "../../ports.ts";
import type { Keys } from "./keys.ts";
import { messageOf, texts } from "./lease-home.ts";
import type { Home } from "./lease-home.ts";
import { viewScript } from "./lease-scripts.ts";
import type { LeaseTimings } from "./lease-timings.ts";

export interface LeaseViewOptions {
  readonly home: Home;
  readonly keys: Keys;
  /** Name of this run of this node. */
  readonly incarnation: string;
  readonly timings: LeaseTimings;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Who was there at one moment. */
interface View {
  readonly standing: ReadonlySet<string>;
  readonly expired: ReadonlySet<string>;
  readonly readAtMs: number;
}

/** The run of a node that a lease is of. */
export function runOf(lease: string): string {
  return lease.slice(0, lease.lastIndexOf("."));
}

/** The name of the node that a run is of. */
export function nodeOf(run: string): string {
  return run.slice(0, run.lastIndexOf("."));
}

/** Which nodes have a lease, as this one last read it. */
export class LeaseView {
  readonly #options: LeaseViewOptions;
  #reading: Promise<View | null> | null = null;
  #view: View | null = null;
  #peers: readonly string[] = [];
  readonly #suspects = new Set<string>();

  constructor(options: LeaseViewOptions) {
    this.#options = options;
  }

  /** Whether a lease is or was this process's. */
  isOwn(name: string): boolean {
    return name.startsWith(`${this.#options.incarnation}.`);
  }

  /** Runs of other nodes that had a lease when this one's was last seen among them. */
  get peers(): readonly string[] {
    return this.#peers;
  }

  /** Who is there, not older than the timings allow; when it cannot be read, as last read, or null. */
  current(): Promise<View | null> {
    const { clock, timings } = this.#options;
    const view = this.#view;
    if (view !== null && clock.nowMs() - view.readAtMs < timings.viewMs) {
      return Promise.resolve(view);
    }
    return this.read().then((fresh) => fresh ?? this.#view);
  }

  /** Who is there now; null when it cannot be read. Never rejects. */
  read(): Promise<View | null> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #readOnce(): Promise<View | null> {
    const { home, keys, clock, logger } = this.#options;
    const readAtMs = clock.nowMs();
    try {
      const reply = await home.run(viewScript, [keys.home("nodes")], [keys.home("lease:")]);
      const [standing, expired] = (reply as [Buffer[], Buffer[]]).map((list) => texts(list));
      this.#view = { standing: new Set(standing), expired: new Set(expired), readAtMs };
      // Where this node is not among them, Redis may have lost its data, and says nothing of who was there.
      if (standing?.some((name) => this.isOwn(name)) === true) {
        this.#peers = standing.filter((name) => !this.isOwn(name)).map((name) => runOf(name));
      }
      return this.#view;
    } catch (error) {
      logger.log("debug", "leases_not_read", { error: messageOf(error) });
      return null;
    }
  }

  /** Names of the other nodes' leases that stand, as far as is known. */
  async others(): Promise<string[]> {
    const view = await this.current();
    return view === null ? [] : [...view.standing].filter((name) => !this.isOwn(name));
  }

  /**
   * Tells whose entries count. A name not heard of before may be a node that has just started, so it is
   * looked for again. While that cannot be read, everybody counts who was not seen without a lease.
   */
  async judge(names: ReadonlySet<string>): Promise<(name: string) => boolean> {
    const beganMs = this.#options.clock.nowMs();
    let view = await this.current();
    if (view === null) return () => true;
    const known = view;
    const isUnknown = (name: string): boolean =>
      !known.standing.has(name) && !known.expired.has(name);
    if (view.readAtMs < beganMs && [...names].some(isUnknown)) {
      // A reading under way may have been before the entry was written.
      await this.#reading;
      view = await this.read();
      if (view === null) return (name) => !known.expired.has(name);
    }
    const { standing, expired } = view;
    for (const name of names) {
      if (!standing.has(name) && !expired.has(name)) this.#suspects.add(name);
    }
    return (name) => standing.has(name);
  }

  /** Names found on entries that no node goes by; the sweeper looks after them. */
  takeSuspects(): string[] {
    const suspects = [...this.#suspects];
    this.#suspects.clear();
    return suspects;
  }
}
