/** One publication of a feed. */
export interface FeedItem {
  readonly channel: string;
  readonly payload: Uint8Array;
  /** When it is due, ms since the feed began; never less than that of the item before. */
  readonly dueMs: number;
}

/** What the demo publishes: items in the order they are due, without end. */
export interface Feed {
  /** For the first line of the screen. */
  readonly description: string;
  /** Channels it publishes on, the busiest first. */
  readonly channels: readonly string[];
  next(): FeedItem;
}
