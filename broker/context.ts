import type { ConnectionLimits } from "../protocol/messages/connected.ts";
import type { AuthGate } from "./auth/auth-gate.ts";
import type { Hub } from "./channels/hub.ts";
import type { Directory } from "./cluster/directory.ts";
import type { Engine } from "./engine/engine.ts";
import type { Ingest } from "./ingest.ts";
import type { Authenticator, Clock, Logger, TransformRunner } from "./ports.ts";
import type { Registry } from "./sessions/registry.ts";
import type { Stats } from "./stats.ts";
import type { Tracer } from "./tracing/tracer.ts";

/** What commands work with: the node's parts, made once by assemble.ts. */
export interface BrokerContext {
  readonly node: string;
  readonly engine: Engine;
  readonly ingest: Ingest;
  /** Null when none are configured. */
  readonly transforms: TransformRunner | null;
  readonly hub: Hub;
  readonly registry: Registry;
  /** Connections and channels of all nodes; the registry has this node's. */
  readonly directory: Directory;
  readonly authenticator: Authenticator;
  /** The way to the authenticator for what clients send. */
  readonly authGate: AuthGate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: Stats;
  readonly tracer: Tracer;
  /** What `connected` tells every client. */
  readonly limits: ConnectionLimits;
  readonly maxConnectionsPerUser: number;
  /** How far past its own end a token is accepted; `expiresAtMs` of an identity includes it. */
  readonly tokenClockToleranceMs: number;
}
