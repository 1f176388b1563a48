import { patternMatches } from "../protocol/channel-name.ts";

/**
 * When a publish is acknowledged: as soon as the node has taken it in (without an offset), when the engine has
 * stored it, or when a replica of the Redis that stored it has it too.
 */
export const ACK_LEVELS = ["none", "accepted", "replicated"] as const;

export type AckLevel = (typeof ACK_LEVELS)[number];

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
  /** With the memory engine all levels are the same. */
  readonly ack: AckLevel;
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
}
