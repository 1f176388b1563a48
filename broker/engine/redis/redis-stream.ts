import type { NamespaceOptions } from "../../channels/namespace.ts";
import { randomEpoch } from "../epoch.ts";
import { PublicationLog } from "../publication-log.ts";
import type { Stream } from "../stream.ts";
import type { Group } from "./envelope.ts";
import { nameHash } from "./keys.ts";
import type { Keys } from "./keys.ts";

/** Publications that may wait for a gap to be healed, per channel. */
const MAX_HELD_GROUPS = 1024;
const MAX_HELD_BYTES = 1024 * 1024;

/** A position is kept for no less than this, so that audits renew it several times before it ends. */
const MIN_META_TTL_MS = 60_000;

/**
 * - detached: nothing is delivered here
 * - reading: history is being read (at the beginning, or to close a gap); what arrives is held
 * - live: what arrives is appended
 */
export type StreamPhase = "detached" | "reading" | "live";

/** One channel on this node, over Redis. */
export class RedisStream implements Stream {
  readonly name: string;
  readonly id: number;
  readonly options: NamespaceOptions;
  readonly partition: number;
  readonly hash: string;
  /** Where its messages are published, when it does not share its partition's pub/sub channel. */
  readonly ownPubsub: string | null;
  /** How long Redis keeps the position when nobody uses it, ms. */
  readonly metaTtlMs: number;
  /** When this node last had Redis keep the position for that long (clock ms). */
  metaRenewedMs = 0;
  epoch: string;
  log: PublicationLog;
  listener: Stream["listener"] = null;
  parent: Stream["parent"] = null;
  arrival: Stream["arrival"] = null;
  phase: StreamPhase = "detached";
  /** Another number for each time an interest is taken: what was begun for an earlier one is void. */
  interest = 0;
  held: Group[] = [];
  /** More was held than may be: what is held was let go of, and history is read again. */
  hasOverflowed = false;
  #heldBytes = 0;
  lastUsedMs: number;

  constructor(
    name: string,
    id: number,
    keys: Keys,
    options: NamespaceOptions,
    nowMs: number,
    channelIdleMs: number,
  ) {
    this.name = name;
    this.id = id;
    this.partition = keys.partition(name);
    this.options = options;
    this.hash = nameHash(name);
    this.ownPubsub =
      options.routing === "channel" ? keys.ownPubsub(this.partition, this.hash) : null;
    this.metaTtlMs = Math.max(options.historyTtlMs, channelIdleMs, MIN_META_TTL_MS);
    this.lastUsedMs = nowMs;
    // A channel without history has no order beyond this node's: its epoch says so.
    this.epoch = this.isRecoverable ? "" : randomEpoch();
    this.log = this.logFrom(0);
  }

  get isRecoverable(): boolean {
    return this.options.historySize > 0;
  }

  /** This node's subscribers have what is published here before Redis has it. */
  get isLocalFirst(): boolean {
    return this.options.delivery === "local-first" && !this.isRecoverable;
  }

  /** An empty log whose next publication has the offset after this one. */
  logFrom(offset: number): PublicationLog {
    const { historySize, historyTtlMs } = this.options;
    return new PublicationLog(this.id, offset, historySize, historyTtlMs);
  }

  /** Keeps a group for when the reading is done. The bytes are the receiver's own. */
  hold(group: Group): void {
    if (
      this.held.length >= MAX_HELD_GROUPS ||
      this.#heldBytes + group.run.length > MAX_HELD_BYTES
    ) {
      this.release();
      this.hasOverflowed = true;
      return;
    }
    this.held.push(group);
    this.#heldBytes += group.run.length;
  }

  /** Lets go of those of the first `count` held groups that are not of this epoch. */
  dropHeld(count: number, epoch: string): void {
    this.held = this.held.filter((group, index) => index >= count || group.epoch === epoch);
    this.#heldBytes = this.held.reduce((sum, { run }) => sum + run.length, 0);
  }

  /** Gives back what was held. */
  release(): Group[] {
    const { held } = this;
    this.held = [];
    this.#heldBytes = 0;
    return held;
  }
}
