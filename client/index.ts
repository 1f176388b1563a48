/** The package's `tickwire/client` entry: everything an application needs, and nothing else. */
export { defineChannel } from "./channel.ts";
export type { Channel, ChannelCodec } from "./channel.ts";
export { connect, TickwireClient } from "./client.ts";
export type { History, HistoryOptions } from "./client.ts";
export type { ClientEvents, ConnectionState } from "./client-events.ts";
export type { ClientClock } from "./clock.ts";
export { TickwireError } from "./errors.ts";
export type { ClientErrorCode } from "./errors.ts";
export type { ClientOptions, QueueLimits } from "./options.ts";
export type { Publication } from "./publication.ts";
export type { PublishOptions } from "./publish-options.ts";
export type { SubscribeOptions, Subscription } from "./subscription.ts";
export type {
  GapEvent,
  PresenceEvent,
  SubscribedEvent,
  SubscriptionEvents,
} from "./subscription-events.ts";
export type { TokenOption } from "./token.ts";
export type { WebSocketClass, WebSocketLike } from "./transport.ts";
export type { Decode, DecodedBy, Decoding, Encode, Encoding } from "./value-codec.ts";
export type { ConnectionLimits } from "../protocol/messages/connected.ts";
export type { PublicationMeta } from "../protocol/messages/meta.ts";
export type { PresenceMember } from "../protocol/messages/presence.ts";
export type { PublishedResult } from "../protocol/messages/publish.ts";
export type { StreamPosition } from "../protocol/position.ts";
