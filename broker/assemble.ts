import type { BrokerApi } from "./api.ts";
import { AuthGate } from "./auth/auth-gate.ts";
import { Hub } from "./channels/hub.ts";
import { adopt } from "./channels/interest.ts";
import { Namespaces } from "./channels/namespace.ts";
import { LocalDirectory } from "./cluster/directory.ts";
import { Answerer } from "./cluster/questions.ts";
import { endByReset } from "./commands/unsubscribe.ts";
import type { BrokerConfig } from "./config/config.ts";
import { hasTokenKey } from "./config/rules.ts";
import type { BrokerContext } from "./context.ts";
import { createEngine } from "./engine/create-engine.ts";
import type { Engine } from "./engine/engine.ts";
import { Ingest } from "./ingest.ts";
import { silentLogger, systemClock } from "./ports.ts";
import type { Authenticator, Clock, Logger, TransformRunner } from "./ports.ts";
import { tellReachToAll } from "./sessions/notices.ts";
import { Registry } from "./sessions/registry.ts";
import { Stats } from "./stats.ts";
import { Tick } from "./tick.ts";
import type { TraceSink } from "./tracing/delivery-trace.ts";
import { Tracer } from "./tracing/tracer.ts";
import { createEmitRule } from "./transforms/emit-rule.ts";
import { Settler } from "./transforms/settler.ts";
import { TransformGate } from "./transforms/transform-gate.ts";

/** Answers HTTP requests that are no WebSocket handshakes. */
export type HttpHandler = (request: Request, info: { address: string }) => Promise<Response>;

export interface BrokerParts {
  readonly config: BrokerConfig;
  readonly authenticator: Authenticator;
  /** Made with the broker's API, because it answers with it, and the gate that its sockets have as well. */
  readonly createHttpHandler: (api: BrokerApi, authGate: AuthGate) => HttpHandler;
  /** Whether a page of this origin may connect; null when the request names none. */
  readonly isOriginAllowed: (origin: string | null, request: Request) => boolean;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly engine?: Engine;
  /** What runs the transforms of the configuration; without it publications go straight to the engine. */
  readonly transforms?: TransformRunner;
  /** Takes traces; null or left out: nobody collects them. */
  readonly traceSink?: TraceSink | null;
}

/** A node's parts, joined; nothing of them runs yet. */
export interface Assembly {
  readonly context: BrokerContext;
  /** Null without transforms. */
  readonly gate: TransformGate | null;
  /** Answers what other nodes ask this one. */
  readonly answerer: Answerer;
  readonly tick: Tick;
}

export function assemble(parts: BrokerParts): Assembly {
  const { config, authenticator, transforms = null } = parts;
  const { clock = systemClock, logger = silentLogger } = parts;
  const { node, maxChannels } = config;
  const stats = new Stats();
  const tick = new Tick(clock);
  const engine = parts.engine ?? createEngine(config, clock, logger, stats);
  const namespaces = new Namespaces(config.namespaces);
  const tracer = new Tracer({
    node,
    clock,
    stats: stats.tracing,
    sink: parts.traceSink ?? null,
    tracesPerSecond: config.tracesPerSecond,
    flightRecords: config.flightRecorder,
    receiptIntervalMs: config.receiptIntervalMs,
  });
  const hub = new Hub({
    tracer,
    engine,
    namespaces,
    stats,
    clock,
    tick,
    maxChannels,
    onReset: (session, channel) => endByReset(context, session, channel),
  });
  const registry = new Registry();
  const mayEmit = createEmitRule(config.transforms);
  const settler = new Settler({ engine, hub, stats, clock, mayEmit });
  const gate =
    transforms === null
      ? null
      : new TransformGate({
          runner: transforms,
          settler,
          hub,
          logger,
          limits: config,
          tracer: tracer.ingest,
        });
  const answerer = new Answerer(logger);
  const local = new LocalDirectory({ node, registry, hub, authenticator, answerer });
  const context: BrokerContext = {
    node,
    engine,
    ingest: new Ingest(engine, stats, gate, tracer),
    transforms,
    hub,
    registry,
    directory: engine.createDirectory?.(local) ?? local,
    authenticator,
    authGate: new AuthGate({
      authenticator,
      failureRate: canGuess(config) ? config.authFailureRate : 0,
      clock,
      logger,
      stats,
    }),
    clock,
    logger,
    stats,
    tracer,
    limits: {
      pingIntervalMs: config.pingIntervalMs,
      maxMessageBytes: config.maxMessageBytes,
      maxPayloadBytes: config.maxPayloadBytes,
      maxSubscriptions: config.maxSubscriptions,
      receiptIntervalMs: config.receiptIntervalMs,
      slowMs: config.slowMs,
    },
    maxConnectionsPerUser: config.maxConnectionsPerUser,
    tokenClockToleranceMs: config.tokenClockToleranceS * 1000,
  };
  engine.onUnknownChannel((name) => adopt(context, name));
  tracer.connect(engine);
  engine.onReachChanged?.(() => tellReachToAll(context));
  return { context, gate, answerer, tick };
}

/** Without any key there is nothing to find out by trying. */
function canGuess(config: BrokerConfig): boolean {
  return hasTokenKey(config) || config.apiKeys.length > 0;
}
