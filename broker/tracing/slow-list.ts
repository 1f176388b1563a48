/** Who got what too late. */
export interface SlowDelivery {
  readonly connection: string;
  readonly user: string | null;
  readonly channel: string;
  /** From taken in to the client, or to the socket where the client does not say. */
  readonly worstMs: number;
  /** Late publications. */
  readonly count: number;
  /** How it was seen: the client's receipt, or this node's own queue. */
  readonly seenBy: "receipt" | "queue";
  /** Wall clock ms of the last one. */
  readonly lastAtMs: number;
  /** The newest one that was traced. */
  readonly traceId: string | null;
}

const MAX_ENTRIES = 1000;
const EXPIRY_MS = 300_000;

/** The slowest subscribers of the last minutes, by connection and channel. */
export class SlowList {
  readonly #entries = new Map<string, SlowDelivery>();

  /** @param late one that is new: its `count` and `worstMs` are added to what is known */
  add(late: SlowDelivery): void {
    const key = `${late.connection} ${late.channel}`;
    const known = this.#entries.get(key);
    if (known === undefined && this.#entries.size >= MAX_ENTRIES && !this.#makeRoom(late)) return;
    this.#entries.set(key, {
      ...late,
      worstMs: Math.max(late.worstMs, known?.worstMs ?? 0),
      count: late.count + (known?.count ?? 0),
      traceId: late.traceId ?? known?.traceId ?? null,
    });
  }

  /** Takes out what is over, or else the least slow one, unless the new one is less slow still. */
  #makeRoom({ lastAtMs, worstMs }: SlowDelivery): boolean {
    this.expire(lastAtMs);
    if (this.#entries.size < MAX_ENTRIES) return true;
    let leastKey = "";
    let leastMs = Infinity;
    for (const [key, entry] of this.#entries) {
      if (entry.worstMs >= leastMs) continue;
      leastMs = entry.worstMs;
      leastKey = key;
    }
    return leastMs < worstMs && this.#entries.delete(leastKey);
  }

  /** The slowest first. */
  top(limit: number, wallMs: number): readonly SlowDelivery[] {
    this.expire(wallMs);
    return [...this.#entries.values()].toSorted((a, b) => b.worstMs - a.worstMs).slice(0, limit);
  }

  expire(wallMs: number): void {
    for (const [key, { lastAtMs }] of this.#entries) {
      if (wallMs - lastAtMs > EXPIRY_MS) this.#entries.delete(key);
    }
  }
}
