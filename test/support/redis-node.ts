import { createAuthenticator } from "../../broker/auth/create-authenticator.ts";
import { Broker } from "../../broker/broker.ts";
import type { Directory, LocalDirectory } from "../../broker/cluster/directory.ts";
import { buildConfig } from "../../broker/config/config.ts";
import type { BrokerConfig, ConfigInput } from "../../broker/config/config.ts";
import { RedisEngine } from "../../broker/engine/redis/redis-engine.ts";
import type { RedisTopologyOptions } from "../../broker/engine/redis/redis-engine.ts";
import { createHttpHandler } from "../../broker/http/create-http-handler.ts";
import { systemClock } from "../../broker/ports.ts";
import type { TransformRunner } from "../../broker/ports.ts";
import { usePath } from "../../broker/transforms/allowed-use.ts";
import { createTransformRunner } from "../../workers/host/create-transform-runner.ts";
import { MemoryLogger } from "./memory-logger.ts";
import { ProtocolClient } from "./protocol-client.ts";
import { PARTITIONS, untilReady } from "./redis-engine.ts";
import { ALL, signToken, TOKEN_SECRET } from "./tokens.ts";

/** What a node is started with, in this process or in one of its own: it goes through JSON. */
export interface RedisNodeOptions {
  readonly topology: RedisTopologyOptions;
  readonly prefix: string;
  readonly node: string;
  /** Short, so that tests need not wait for long. */
  readonly leaseMs: number;
  readonly config?: ConfigInput;
}

/** An engine whose directory can be asked. */
class OpenEngine extends RedisEngine {
  local: LocalDirectory | null = null;
  directory: Directory | null = null;

  override createDirectory(local: LocalDirectory): Directory {
    this.local = local;
    this.directory = super.createDirectory(local);
    return this.directory;
  }
}

/** As main.ts makes it; null where nothing is bound. */
function runnerOf(
  { transforms: bindings }: BrokerConfig,
  logger: MemoryLogger,
): TransformRunner | null {
  const [first] = bindings;
  if (first === undefined) return null;
  return createTransformRunner({
    bindings: bindings.map((one) => ({ ...one, use: usePath(one) })),
    directory: first.directory,
    clock: systemClock,
    logger,
    maxPayloadBytes: 65_536,
    isWatching: false,
  });
}

/** One of several nodes that share a Redis: a whole broker, whose engine and log can be looked into. */
export class RedisNode implements AsyncDisposable {
  readonly broker: Broker;
  readonly engine: OpenEngine;
  readonly logger: MemoryLogger;

  private constructor(broker: Broker, engine: OpenEngine, logger: MemoryLogger) {
    this.broker = broker;
    this.engine = engine;
    this.logger = logger;
  }

  static async start(options: RedisNodeOptions): Promise<RedisNode> {
    const { topology, prefix, node, leaseMs } = options;
    const config = buildConfig({
      port: 0,
      log: "silent",
      tokenSecret: TOKEN_SECRET,
      presence: true,
      node,
      ...options.config,
    });
    const logger = new MemoryLogger();
    const engine = new OpenEngine({
      topology,
      prefix,
      namespaces: config.namespaces,
      partitions: PARTITIONS,
      node,
      clock: systemClock,
      logger,
      counters: { duplicates: 0 },
      idempotencyWindowMs: config.idempotencyWindowMs,
      channelIdleMs: config.channelIdleMs,
      maxOutboxPublications: 10_000,
      maxOutboxBytes: 8 * 1024 * 1024,
      giveUpMs: 5000,
      leaseMs,
    });
    const authenticator = createAuthenticator(config, systemClock, logger);
    const transforms = runnerOf(config, logger);
    const broker = new Broker({
      ...(transforms === null ? {} : { transforms }),
      config,
      authenticator,
      createHttpHandler: (api, authGate) =>
        createHttpHandler({
          api,
          config,
          authGate,
          logger,
          metricsText: () => ({ text: "", contentType: "text/plain" }),
        }),
      isOriginAllowed: () => true,
      logger,
      engine,
    });
    await broker.start();
    return new RedisNode(broker, engine, logger);
  }

  get api(): Broker["api"] {
    return this.broker.api;
  }

  /** What this node answers to questions. */
  get answerer(): LocalDirectory["answerer"] {
    if (this.engine.local === null) throw new Error("the broker made no directory");
    return this.engine.local.answerer;
  }

  get directory(): Directory {
    if (this.engine.directory === null) throw new Error("the broker made no directory");
    return this.engine.directory;
  }

  get url(): string {
    return this.broker.url;
  }

  /** Everything it needs of Redis is there. */
  untilReady(): Promise<void> {
    return untilReady(this.engine);
  }

  /** A client of this user, who may use every channel. */
  connect(user: string): Promise<ProtocolClient> {
    return connectAs(this.url, user);
  }

  /** How often something was logged. */
  logged(event: string): number {
    return this.logger.events().filter((one) => one === event).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.stop();
  }
}

/** Connects as this user, who may use every channel. */
export async function connectAs(url: string, user: string): Promise<ProtocolClient> {
  return ProtocolClient.connect(url, { token: await signToken(user, ALL) });
}
