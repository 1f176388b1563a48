import { Code } from "../protocol/codes.ts";
import type { CodeInfo } from "../protocol/codes.ts";
import type { HistoryResult } from "../protocol/messages/history.ts";
import type { PublicationMeta } from "../protocol/messages/meta.ts";
import type { PresenceMember } from "../protocol/messages/presence.ts";
import type { PublishedResult } from "../protocol/messages/publish.ts";
import type { StreamPosition } from "../protocol/position.ts";
import type { ClusterApi } from "./cluster/cluster-api.ts";
import type {
  TransformChange,
  TransformOutcome,
  TransformRunner,
  TransformStatus,
} from "./ports.ts";
import type { Stats } from "./stats.ts";
import type { TraceApi } from "./tracing/trace-api.ts";

/** An expected refusal, with the code of the registry to answer with. */
export class BrokerError extends Error {
  override readonly name = "BrokerError";
  readonly info: CodeInfo;
  readonly retryAfterMs: number | null;

  constructor(
    info: CodeInfo,
    message: string = info.text,
    options: ErrorOptions & { retryAfterMs?: number } = {},
  ) {
    super(message, options);
    this.info = info;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

/** What is wrong with a transform, and where, as far as it is known. */
export interface TransformFaultReport {
  /** Such as load, config, setup, throw or timeout. */
  readonly type: string;
  readonly message: string;
  readonly file: string | null;
  readonly line: number | null;
  /** Of a configuration that its schema refused. */
  readonly issues: readonly { readonly path: string; readonly message: string }[];
}

/** What became on one node of a change that failed on some. */
export interface NodeChange {
  readonly node: string;
  readonly outcome: "failed" | "rolled-back" | "not-rolled-back" | "unreachable";
  /** Why, where it failed. */
  readonly message: string | null;
}

/** A transform that cannot be taken into use; what served before serves on. */
export class TransformChangeError extends BrokerError {
  readonly fault: TransformFaultReport | null;
  /** What became of it on each node, where there can be several. */
  readonly nodes: readonly NodeChange[] | null;

  constructor(
    message: string,
    fault: TransformFaultReport | null,
    options: ErrorOptions & { nodes?: readonly NodeChange[] } = {},
  ) {
    super(Code.badField, message, options);
    this.fault = fault;
    this.nodes = options.nodes ?? null;
  }
}

export interface ChannelSummary {
  readonly name: string;
  readonly subscribers: number;
  readonly epoch: string;
  readonly offset: number;
}

export interface ConnectionSummary {
  readonly connection: string;
  readonly user: string | null;
  readonly node: string;
  /** Wall clock ms at which it connected. */
  readonly sinceMs: number;
  readonly address: string;
  /** What the client calls itself. */
  readonly client: string | null;
  readonly format: "msgpack" | "json";
  readonly subscriptions: number;
  readonly queuedBytes: number;
}

/** One server the engine works with. */
export interface ShardHealth {
  /** Without user and password. */
  readonly address: string;
  /** `degraded`: some of publishing, reading and receiving works; `down`: none. */
  readonly state: "ok" | "degraded" | "down";
}

export interface HealthReport {
  readonly isReady: boolean;
  readonly status: "ok" | "starting" | "draining" | "degraded";
  readonly node: string;
  readonly engine: string;
  readonly uptimeMs: number;
  readonly connections: number;
  /** None with the memory engine. */
  readonly shards: readonly ShardHealth[];
  /** Those that do not run as they should. */
  readonly transforms: readonly Pick<TransformStatus, "id" | "state">[];
}

/** What the HTTP server API, the CLI and embedders ask of a broker. Errors are `BrokerError`s. */
export interface BrokerApi {
  readonly stats: Stats;
  /** Traces, the slowest subscribers, and what is to be traced. */
  readonly traces: TraceApi;
  /** The same of all nodes. */
  readonly cluster: ClusterApi;
  /**
   * Publishes and resolves once the engine has given it its place.
   * @param isTraceTrusted whether a trace context in `meta` is gone on with
   */
  publish(
    channel: string,
    payload: Uint8Array,
    meta?: Partial<PublicationMeta> | null,
    isTraceTrusted?: boolean,
  ): Promise<PublishedResult>;
  history(
    channel: string,
    query: { limit: number; since: StreamPosition | null },
  ): Promise<HistoryResult>;
  presence(channel: string): Promise<readonly PresenceMember[]>;
  /** Channels whose names match the pattern, sorted by name, after `after`, at most `limit`. */
  channels(query: {
    pattern: string;
    limit: number;
    after: string | null;
  }): Promise<readonly ChannelSummary[]>;
  connections(query: {
    user: string | null;
    limit: number;
    after: string | null;
  }): Promise<readonly ConnectionSummary[]>;
  /** Closes connections of a user or one connection; resolves to how many. */
  disconnect(target: { user?: string; connection?: string }): Promise<number>;
  /** Refuses the user's or token's access from now on and closes what it has open; resolves to how many. */
  revoke(target: { user?: string; tokenId?: string }): Promise<number>;
  /** The transforms of this node and how they do. */
  transforms(): readonly TransformStatus[];
  /**
   * Loads, promotes or rolls back a transform of this node.
   * @throws TransformChangeError when it cannot be taken into use; what served before serves on
   */
  changeTransform(change: TransformChange): Promise<TransformStatus>;
  /** Runs payloads through a transform without publishing anything. */
  dryRunTransform(
    request: Parameters<TransformRunner["dryRun"]>[0],
  ): Promise<readonly TransformOutcome[]>;
  health(): HealthReport;
}
