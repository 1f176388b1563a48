import type { DisconnectTarget, RevokeTarget } from "../../cluster/directory.ts";
import { controlScript } from "./control-scripts.ts";
import type { Keys } from "./keys.ts";
import { texts } from "./lease-home.ts";
import type { Home } from "./lease-home.ts";

/** What is written in one call. */
const MAX_BATCH = 500;

/** Something done to connections: what, as the text it is remembered by, and when (wall clock ms). */
export interface Deed {
  readonly text: string;
  readonly atMs: number;
}

export interface ControlRecordOptions {
  readonly home: Home;
  readonly keys: Keys;
  /** Name of the sorted set among the keys that belong to no channel. */
  readonly name: "revoked" | "disconnected";
  /** How long a deed is remembered, ms. */
  readonly ttlMs: number;
  readonly maxDeeds: number;
}

/**
 * What was done to connections and is to be known by nodes that did not hear of it: those that start later,
 * and those that were cut off. Redis has a copy, and so has every node, which writes back what Redis has lost.
 */
export class ControlRecord {
  readonly #options: ControlRecordOptions;
  readonly #deeds = new Map<string, number>();

  constructor(options: ControlRecordOptions) {
    this.#options = options;
  }

  get #key(): string {
    return this.#options.keys.home(this.#options.name);
  }

  /** Notes a deed; false when it was known, then or later. */
  note({ text, atMs }: Deed): boolean {
    if ((this.#deeds.get(text) ?? 0) >= atMs) return false;
    this.#deeds.set(text, atMs);
    return true;
  }

  /** Deeds that are in force, after forgetting the others. */
  #inForce(nowMs: number): Map<string, number> {
    const sinceMs = nowMs - this.#options.ttlMs;
    for (const [text, atMs] of this.#deeds) if (atMs < sinceMs) this.#deeds.delete(text);
    // Beyond the bound the oldest go, as in Redis.
    const excess = this.#deeds.size - this.#options.maxDeeds;
    if (excess > 0) {
      const oldest = [...this.#deeds].toSorted(([, a], [, b]) => a - b).slice(0, excess);
      for (const [text] of oldest) this.#deeds.delete(text);
    }
    return this.#deeds;
  }

  /** Writes deeds and tells the nodes; resolves to how many were told. */
  async write(deeds: readonly Deed[], message: string, nowMs: number): Promise<number> {
    const { home, keys, ttlMs, maxDeeds } = this.#options;
    const args = [
      keys.home("control"),
      home.shard.publishCommand,
      message,
      String(nowMs - ttlMs),
      String(maxDeeds),
      ...deeds.flatMap(({ text, atMs }) => [String(atMs), text]),
    ];
    return (await home.run(controlScript, [this.#key], args)) as number;
  }

  /** Whether Redis has another number of deeds in force than this node. */
  async differs(nowMs: number): Promise<boolean> {
    const sinceMs = String(nowMs - this.#options.ttlMs);
    const count = await this.#options.home.call("ZCOUNT", this.#key, sinceMs, "+inf");
    return count !== this.#inForce(nowMs).size;
  }

  /** Exchanges deeds with Redis. `take` gets those that are new here. */
  async sync(
    nowMs: number,
    message: string,
    take: (deeds: readonly Deed[]) => void,
  ): Promise<void> {
    const { home, ttlMs } = this.#options;
    const since = String(nowMs - ttlMs);
    const reply = texts(await home.call("ZRANGEBYSCORE", this.#key, since, "+inf", "WITHSCORES"));
    const kept = new Map<string, number>();
    for (let i = 0; i + 1 < reply.length; i += 2) {
      kept.set(reply[i] as string, Number(reply[i + 1]));
    }
    take(deedsOf(kept).filter((deed) => this.note(deed)));
    const missing = deedsOf(this.#inForce(nowMs)).filter(
      ({ text, atMs }) => (kept.get(text) ?? 0) < atMs,
    );
    for (let i = 0; i < missing.length; i += MAX_BATCH) {
      await this.write(missing.slice(i, i + MAX_BATCH), message, nowMs);
    }
  }
}

function deedsOf(map: ReadonlyMap<string, number>): Deed[] {
  return Array.from(map, ([text, atMs]) => ({ text, atMs }));
}

/** A target as the text it is remembered by. */
export function targetText(target: DisconnectTarget & RevokeTarget): string {
  const { user, tokenId, connection } = target;
  if (user !== undefined) return JSON.stringify(["user", user]);
  if (tokenId !== undefined) return JSON.stringify(["token", tokenId]);
  return JSON.stringify(["connection", connection]);
}

/** Null for what is not ours. */
export function readTarget(text: string): (DisconnectTarget & RevokeTarget) | null {
  let pair: unknown;
  try {
    pair = JSON.parse(text);
  } catch {
    return null;
  }
  if (!Array.isArray(pair) || typeof pair[1] !== "string") return null;
  const name = pair[1];
  switch (pair[0]) {
    case "user":
      return { user: name };
    case "token":
      return { tokenId: name };
    case "connection":
      return { connection: name };
    default:
      return null;
  }
}
