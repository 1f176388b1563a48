import type { CodeInfo } from "../protocol/codes.ts";
import type { HistoryResult } from "../protocol/messages/history.ts";
import type { PublicationMeta } from "../protocol/messages/meta.ts";
import type { PresenceMember } from "../protocol/messages/presence.ts";
import type { PublishedResult } from "../protocol/messages/publish.ts";
import type { StreamPosition } from "../protocol/position.ts";
import type { Stats } from "./stats.ts";

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

export interface HealthReport {
  readonly isReady: boolean;
  readonly status: "ok" | "starting" | "draining" | "degraded";
  readonly node: string;
  readonly engine: string;
  readonly uptimeMs: number;
  readonly connections: number;
}

/** What the HTTP server API, the CLI and embedders ask of a broker. Errors are `BrokerError`s. */
export interface BrokerApi {
  readonly stats: Stats;
  /** Publishes and resolves once the engine has given it its place. */
  publish(
    channel: string,
    payload: Uint8Array,
    meta?: Partial<PublicationMeta> | null,
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
  health(): HealthReport;
}
