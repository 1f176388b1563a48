import { channelNameKind, patternCovers } from "../../protocol/channel-name.ts";
import type { Grants } from "../ports.ts";

/** Channels of one kind of access: names are looked up, patterns tried one by one. */
class ChannelSet {
  readonly #names = new Set<string>();
  readonly #patterns: string[] = [];

  constructor(patterns: readonly string[]) {
    for (const pattern of patterns) {
      if (channelNameKind(pattern) === "name") this.#names.add(pattern);
      else if (!this.#patterns.includes(pattern)) this.#patterns.push(pattern);
    }
  }

  covers(channelOrPattern: string): boolean {
    if (this.#names.has(channelOrPattern)) return true;
    for (const pattern of this.#patterns) {
      if (patternCovers(pattern, channelOrPattern)) return true;
    }
    return false;
  }
}

export interface GrantPatterns {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  readonly presence: readonly string[];
}

/** Compiles valid patterns. What is asked must be a valid channel name, or pattern for a subscription. */
export function compileGrants(patterns: GrantPatterns): Grants {
  const publish = new ChannelSet(patterns.publish);
  const subscribe = new ChannelSet(patterns.subscribe);
  const presence = new ChannelSet(patterns.presence);
  return {
    mayPublish: (channel) => publish.covers(channel),
    maySubscribe: (channelOrPattern) => subscribe.covers(channelOrPattern),
    mayPresence: (channel) => presence.covers(channel),
  };
}

export const allGrants: Grants = {
  mayPublish: () => true,
  maySubscribe: () => true,
  mayPresence: () => true,
};
