import { patternCovers, patternMatches, patternsMeet } from "../../protocol/channel-name.ts";

/**
 * When a publish is acknowledged: as soon as the node has taken it in (without an offset), when the engine has
 * stored it, or when a replica of the Redis that stored it has it too.
 */
export const ACK_LEVELS = ["none", "accepted", "replicated"] as const;

export type AckLevel = (typeof ACK_LEVELS)[number];

/**
 * What a channel's publications are exchanged over: the pub/sub channel of its partition, shared with others, or
 * one of its own.
 */
export const ROUTINGS = ["partition", "channel"] as const;

export type Routing = (typeof ROUTINGS)[number];

/**
 * In which order subscribers get publications: the engine's, the same for all, or those of their own node as soon
 * as that has them, so that only each publisher's own order is kept.
 */
export const DELIVERIES = ["total", "local-first"] as const;

export type Delivery = (typeof DELIVERIES)[number];

/** How the channels that match a pattern behave. Every option has a default in config.ts. */
export interface NamespaceOptions {
  /** Channels this is for: the first namespace whose pattern matches wins. */
  readonly pattern: string;
  /** Publications kept per channel; 0 keeps none, and such channels cannot recover. */
  readonly historySize: number;
  /** How long a publication is kept, ms. */
  readonly historyTtlMs: number;
  /** Time publications wait to leave together, ms; 0: until the end of the event-loop tick. */
  readonly flushIntervalMs: number;
  /** Whether connections may enter and read presence. */
  readonly presence: boolean;
  /** Largest payload, bytes. */
  readonly maxPayloadBytes: number;
  /** Subscribers one channel may have on this node; 0 for no limit. */
  readonly maxSubscribers: number;
  /** Share of publications that are traced, whatever becomes of them: 0 to 1. */
  readonly traceRate: number;
  /** A delivery that takes longer is traced, ms; 0: none is. */
  readonly slowMs: number;
  /** With the memory engine all levels are the same. */
  readonly ack: AckLevel;
  /** With the memory engine both are the same, but for patterns: see `Namespaces.offersPattern`. */
  readonly routing: Routing;
  /** With the memory engine both are the same. */
  readonly delivery: Delivery;
}

/** Finds a channel's namespace. The last entry must match everything. */
export class Namespaces {
  readonly #options: readonly NamespaceOptions[];

  constructor(options: readonly NamespaceOptions[]) {
    if (options.at(-1)?.pattern !== ">")
      throw new Error("the last namespace must have the pattern '>'");
    this.#options = options;
  }

  resolve(channel: string): NamespaceOptions {
    for (const options of this.#options) {
      if (patternMatches(options.pattern, channel)) return options;
    }
    throw new Error(`no namespace for ${channel}`);
  }

  /**
   * Whether a pattern may be subscribed to: not if it could match a channel that has a pub/sub channel of its
   * own, because nobody can know of all of those.
   */
  offersPattern(pattern: string): boolean {
    for (const options of this.#options) {
      const isOwn = options.routing === "channel";
      if (isOwn && patternsMeet(options.pattern, pattern)) return false;
      // Nothing is left for those behind it.
      if (patternCovers(options.pattern, pattern)) return true;
    }
    return true;
  }
}
