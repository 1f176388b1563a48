import { MAX_HISTORY_LIMIT } from "../protocol/limits.ts";
import type { RecoverFrom } from "../protocol/messages/subscribe.ts";
import type { StreamPosition } from "../protocol/position.ts";
import { badArgument } from "./errors.ts";
import type { Publication } from "./publication.ts";
import type { SubscriptionEvents } from "./subscription-events.ts";

export interface SubscribeOptions {
  /**
   * What to deliver before live publications: the newest `last` (up to 1000), or everything after a position the
   * application kept. Not for patterns. After a reconnect the SDK recovers by itself, from the last
   * publication it delivered.
   */
  readonly recover?: { readonly last: number } | StreamPosition;
  /** Enter the channel's presence while subscribed. Default false. */
  readonly presence?: boolean;
  /** Get `join` and `leave` events. Default false. */
  readonly joinLeave?: boolean;
  /**
   * Publications that may wait for the `for await` loop. Beyond it the oldest eighth is dropped, counted in
   * `droppedCount` and told by a `gap` event with the reason `consumer_too_slow`. Default 10 000.
   */
  readonly maxQueued?: number;
}

/**
 * One interest in a channel or pattern, made by `client.subscribe`. It lasts over reconnects until `unsubscribe`,
 * until the broker ends it for good, or until the client is closed.
 *
 * Read it by a loop or by the callback given to `subscribe`. Without a callback publications wait for a loop from
 * the start, so none is missed between subscribing and looping; two loops over one subscription share its
 * publications.
 */
export interface Subscription<T = unknown> extends AsyncIterable<Publication<T>> {
  /** Channel name or pattern. */
  readonly name: string;
  /** Publications dropped because the loop did not keep up. */
  readonly droppedCount: number;
  /** Publications that wait for the loop. */
  readonly queuedCount: number;
  /**
   * Resolves when the broker has confirmed the subscription for the first time.
   * Rejects with the TickwireError that ended it before that.
   */
  ready(): Promise<void>;
  /** Adds a listener; the returned function removes it. */
  on<Name extends keyof SubscriptionEvents>(
    name: Name,
    listener: (event: SubscriptionEvents[Name]) => void,
  ): () => void;
  /** Ends it. Loops finish after what is queued. */
  unsubscribe(): void;
}

/**
 * What `recover` asks for, in the protocol's words. The broker checks the values.
 * @throws TickwireError `bad_argument` for a pattern
 */
export function recoverFrom(recover: SubscribeOptions["recover"], isPattern: boolean): RecoverFrom {
  if (recover === undefined) return { type: "none" };
  if (isPattern) throw badArgument("recover needs the name of one channel, not a pattern");
  return "last" in recover
    ? { type: "last", count: Math.min(recover.last, MAX_HISTORY_LIMIT) }
    : { type: "position", position: recover };
}
