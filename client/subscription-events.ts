import type { PresenceMember } from "../protocol/messages/presence.ts";
import type { StreamPosition } from "../protocol/position.ts";
import type { TickwireError } from "./errors.ts";
import type { Delivery } from "./publication.ts";

/** Publications of a channel that a subscription does not get. */
export interface GapEvent {
  readonly channel: string;
  /** First and last offset left out, and how many; null when that cannot be known. */
  readonly from: number | null;
  readonly to: number | null;
  readonly count: number | null;
  /**
   * The broker's reason; or of the SDK: `trimmed` (history no longer had them, or keeps none),
   * `epoch_changed` (the stream began anew), `rewound` (the stream went back), `resync` (the broker would not
   * go on from the position), `unknown_past` (a channel under a pattern was first heard of after a reconnect: it may
   * have published while the client was away), `consumer_too_slow` (the loop over the subscription did not
   * keep up).
   */
  readonly reason: string;
}

/** A connection that entered or left the presence of a channel. */
export interface PresenceEvent extends PresenceMember {
  readonly channel: string;
}

export interface SubscribedEvent {
  /**
   * True when nothing was missed since the last connection, or since what the option `recover` asked for. False
   * when something may be missing; what is known of it is told by `gap`.
   */
  readonly recovered: boolean;
  /** Newest position of the channel at that moment; null for a pattern. */
  readonly position: StreamPosition | null;
  /** Publications that come from history, before live ones. */
  readonly count: number;
}

/** What a subscription tells besides publications. */
export interface SubscriptionEvents {
  /** The broker has confirmed it: the first time, and again after every reconnect. */
  readonly subscribed: SubscribedEvent;
  readonly gap: GapEvent;
  /** The broker refused or ended it for good, or the client was closed for good. */
  readonly unsubscribed: TickwireError;
  readonly join: PresenceEvent;
  readonly leave: PresenceEvent;
}

/** Where a stream's publications go. */
export interface StreamTarget {
  deliver(delivery: Delivery): void;
  missed(gap: GapEvent): void;
}
