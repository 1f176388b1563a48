import type { CpuTime } from "../support/process-cpu.ts";
import type { RedisUse } from "./redis-use.ts";
import type { Faults } from "./sequence-checker.ts";

/** How publications are sent: as fast as the window lets them, or by the clock. */
export type Pace =
  | { readonly type: "closed"; readonly windowSize: number }
  | { readonly type: "open"; readonly publicationsPerSecond: number };

/** How a Tickwire broker lets the connections in. */
export type Access =
  | { readonly type: "anonymous" }
  /** One token for all. */
  | { readonly type: "token"; readonly token: string }
  /** A token of its own for each connection, signed with this HS256 secret. */
  | { readonly type: "secret"; readonly secret: string };

/** A broker process. */
export interface NodeAddress {
  readonly hostname: string;
  readonly port: number;
  /** Process whose CPU time is read; null when it cannot be. */
  readonly pid: number | null;
}

/** One cell, as the generator gets it on its standard input: one line of JSON. */
export interface LoadJob {
  readonly dialect: "tickwire" | "bare";
  readonly hostname: string;
  readonly port: number;
  /** Process whose CPU time is read; null when it cannot be. */
  readonly brokerPid: number | null;
  readonly access: Access;
  readonly publishers: number;
  readonly subscribersPerChannel: number;
  readonly payloadBytes: number;
  /** Publish frames in one WebSocket message. */
  readonly framesPerMessage: number;
  readonly pace: Pace;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** How long deliveries may stay away after the last publication before they count as lost, ms. */
  readonly maxSilenceMs: number;
  /** The node that subscribers connect to; null when it is the one that publishers do. */
  readonly subscribeAt: NodeAddress | null;
  /** Redis servers between the nodes, whose work is counted. */
  readonly redisUrls: readonly string[];
}

/** Quantiles of a time, us. */
export interface LatencySummary {
  readonly count: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

/** What the generator answers on its standard output: one line of JSON. */
export interface LoadResult {
  /** Deliveries received while measuring. */
  readonly deliveries: number;
  readonly elapsedMs: number;
  readonly brokerCpu: CpuTime | null;
  /** Of the node that subscribers connect to, when it is another. */
  readonly subscribeCpu: CpuTime | null;
  /** Null without Redis. */
  readonly redis: RedisUse | null;
  readonly loadCpu: CpuTime;
  /** CPU time of everything else on the machine meanwhile, ms: what may have disturbed the figures. */
  readonly othersCpuMs: number | null;
  /** Open loop only: from the time a publication was due to be sent to its arrival. */
  readonly latency: LatencySummary | null;
  /** Open loop only: how late the generator itself sent what was due. */
  readonly lateness: LatencySummary | null;
  readonly faults: Faults;
}
