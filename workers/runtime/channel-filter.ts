import { patternMatches } from "../../protocol/channel-name.ts";

const MAX_CACHED_CHANNELS = 1000;

/** Whether channels match one of some patterns; remembers the answers for the channels it has met of late. */
export class ChannelFilter {
  readonly #patterns: readonly string[];
  readonly #known = new Map<string, boolean>();

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns;
  }

  matches(channel: string): boolean {
    const known = this.#known.get(channel);
    if (known !== undefined) return known;
    const isMatch = this.#patterns.some((pattern) => patternMatches(pattern, channel));
    if (this.#known.size >= MAX_CACHED_CHANNELS) this.#known.clear();
    this.#known.set(channel, isMatch);
    return isMatch;
  }
}
