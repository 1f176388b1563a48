import type { HistoryResult } from "../../protocol/messages/history.ts";
import type { PresenceMember } from "../../protocol/messages/presence.ts";
import type { StreamPosition } from "../../protocol/position.ts";
import type { BrokerError, ShardHealth } from "../api.ts";
import type { NamespaceOptions } from "../channels/namespace.ts";
import type { Directory, LocalDirectory } from "../cluster/directory.ts";
import type { EngineTracer, TracePeers } from "../tracing/engine-tracer.ts";
import type { PublishTrace } from "../tracing/publish-trace.ts";
import type { Stream } from "./stream.ts";

/** Gets the outcome of a publish whose offset was not known at once. */
export interface PublishAck {
  published(requestId: number, offset: number, epoch: string): void;
  publishFailed(requestId: number, error: BrokerError): void;
}

export interface HistoryQuery {
  /** Publications at most; 0 asks for the position alone. */
  readonly limit: number;
  /** Oldest first after this position; null: the newest `limit`. */
  readonly since: StreamPosition | null;
}

/**
 * Where publications are stored and exchanged between nodes. The contract, which
 * test/contract/engine.ts holds every engine to:
 *
 * - Per channel there is one total order. Offsets count from 1 without holes within an epoch; a new
 *   epoch is never equal to an old one.
 * - An accepted publication has its place in the order before its acknowledgement is given. It is appended to
 *   `stream.log`, and the stream's listener hears of it, on every node that is attached: before the
 *   acknowledgement with an engine in this process, before or after it with one that is shared.
 * - A publish with a publication id seen on the channel within the window stores nothing and answers
 *   with the first one's offset.
 * - History holds at most the namespace's size and time, and never a publication it did not acknowledge
 *   as part of the order above.
 */
export interface Engine {
  readonly name: string;

  start(): Promise<void>;
  stop(): Promise<void>;

  /** Whether publishes can be expected to succeed. */
  isReady(): boolean;

  /** The servers it works with. An engine of one process has none. */
  shards?(): readonly ShardHealth[];

  /**
   * Whether what other nodes publish on a stream (null: on any) reaches this node, but for the shortest
   * interruptions. Without this it always does.
   */
  isReached?(stream: Stream | null): boolean;

  /** Sets who hears that `isReached` answers otherwise now. */
  onReachChanged?(changed: () => void): void;

  /** This node's stream of a channel, made when there is none. */
  open(name: string, options: NamespaceOptions): Stream;

  /** Forgets a stream nobody is attached to; with the memory engine its epoch ends here. */
  close(stream: Stream): void;

  /** Whether `close` would lose nothing that a client might come back for. */
  isIdle(stream: Stream, nowMs: number): boolean;

  /**
   * Takes an interest: from when it is done on, every publication reaches `stream.log`.
   * Undefined when it holds at once; else a promise, rejected with a BrokerError when it cannot be had.
   */
  attach(stream: Stream): Promise<void> | undefined;
  detach(stream: Stream): void;

  /** Takes an interest in all channels, for a pattern subscription; ended as often as it was begun. */
  attachAll(): Promise<void> | undefined;
  detachAll(): void;

  /** Sets who opens (and attaches) a channel that only patterns reach, when a publication for it arrives. */
  onUnknownChannel(open: (channel: string) => void): void;

  /**
   * Publishes `source[start, end)`. Returns the offset when it is known at once; else 0, and `ack` (when
   * given) hears the outcome exactly once. The engine does not keep `source`.
   * @param meta encoded meta field, or null for a plain publication
   * @param publicationId idempotency key, or null
   * @param requestId handed back to `ack`
   * @param trace of a publication that is traced; `meta` is then the trace's
   */
  publish(
    stream: Stream,
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    publicationId: string | null,
    ack: PublishAck | null,
    requestId: number,
    trace?: PublishTrace | null,
  ): number;

  /** Kept publications; `complete` is false when some after `since` are gone. */
  history(stream: Stream, query: HistoryQuery): HistoryResult | Promise<HistoryResult>;

  enterPresence(stream: Stream, member: PresenceMember): void;
  leavePresence(stream: Stream, member: PresenceMember): void;
  presence(stream: Stream): readonly PresenceMember[] | Promise<readonly PresenceMember[]>;

  /**
   * The directory of all nodes that share this engine, made of what this node has. Asked for once, before
   * `start`. An engine of one process has none: what the node knows is all there is.
   */
  createDirectory?(local: LocalDirectory): Directory;

  /** Tells `tracer` from now on what goes between nodes. Only of an engine that spans several. */
  connectTracing?(tracer: EngineTracer): TracePeers;

  /** Lets go of what has expired. Called every few seconds. */
  sweep(nowMs: number): void;
}
