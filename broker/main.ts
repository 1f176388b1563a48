import { renderMetrics } from "../otel/prometheus.ts";
import { processSnapshot } from "../otel/snapshot.ts";
import type { MetricsSnapshot } from "../otel/snapshot.ts";
import { startTelemetry } from "../otel/telemetry.ts";
import type { RunningTelemetry } from "../otel/telemetry.ts";
import manifest from "../package.json" with { type: "json" };
import { createTransformRunner } from "../workers/host/create-transform-runner.ts";
import type { BrokerApi } from "./api.ts";
import { createAuthenticator } from "./auth/create-authenticator.ts";
import { Broker } from "./broker.ts";
import type { BrokerConfig } from "./config/config.ts";
import { createHttpHandler } from "./http/create-http-handler.ts";
import { createOriginRule } from "./http/origin.ts";
import { createLogger } from "./logger.ts";
import { systemClock } from "./ports.ts";
import type { Clock, Logger, TransformRunner } from "./ports.ts";
import type { TraceSink } from "./tracing/delivery-trace.ts";
import { usePath } from "./transforms/allowed-use.ts";

export interface BrokerOptions {
  readonly clock?: Clock;
  /** Default: the one the configuration asks for. */
  readonly logger?: Logger;
  /** Default: none. It outlives the broker: who started it shuts it down. */
  readonly telemetry?: RunningTelemetry | null;
}

/** Starts the export of traces and metrics that the OTEL_* variables ask for; null when they ask for none. */
export function startBrokerTelemetry(
  { node }: BrokerConfig,
  logger: Logger,
): Promise<RunningTelemetry | null> {
  return startTelemetry({ env: process.env, logger, version: manifest.version, node });
}

/** Called and not handed over as it is: so the compiler compares the two shapes of a trace. */
function sinkOf(telemetry: RunningTelemetry | null): TraceSink | null {
  const sink = telemetry?.sink ?? null;
  return sink === null ? null : { trace: (delivery) => sink.trace(delivery) };
}

/** What runs the transforms that are bound; nothing where none are. */
function transformsOf(
  config: BrokerConfig,
  clock: Clock,
  logger: Logger,
): { readonly transforms?: TransformRunner } {
  const { transforms: bindings, namespaces, watchTransforms } = config;
  const [first] = bindings;
  if (first === undefined) return {};
  const transforms = createTransformRunner({
    bindings: bindings.map((one) => ({ ...one, use: usePath(one) })),
    directory: first.directory,
    clock,
    logger,
    // The channel's own bound, which may be lower, is looked at when its publication comes back.
    maxPayloadBytes: Math.max(...namespaces.map(({ maxPayloadBytes }) => maxPayloadBytes)),
    isWatching: watchTransforms,
  });
  return { transforms };
}

/**
 * The composition root: makes a broker of the real parts its configuration asks for. It does not listen
 * before `start`.
 */
export function createBroker(config: BrokerConfig, options: BrokerOptions = {}): Broker {
  const { clock = systemClock, telemetry = null } = options;
  const { log: form, logLevel: level } = config;
  const logger = options.logger ?? createLogger({ form, level, clock });
  const authenticator = createAuthenticator(config, clock, logger);
  const snapshotOf = (api: BrokerApi): MetricsSnapshot => ({
    stats: api.stats,
    shards: api.health().shards,
    transforms: api.transforms(),
    process: processSnapshot(manifest.version),
    ...(telemetry === null ? {} : { spans: telemetry.spans }),
  });
  const broker = new Broker({
    config,
    authenticator,
    createHttpHandler: (api, authGate) =>
      createHttpHandler({
        api,
        config,
        authGate,
        logger,
        clock,
        metricsText: (accept) => renderMetrics(snapshotOf(api), accept),
      }),
    isOriginAllowed: createOriginRule(config),
    logger,
    clock,
    traceSink: sinkOf(telemetry),
    ...transformsOf(config, clock, logger),
  });
  telemetry?.readMetricsFrom(() => snapshotOf(broker.api));
  return broker;
}
