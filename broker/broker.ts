import { Code } from "../protocol/codes.ts";
import { encodeDrain } from "../protocol/messages/drain.ts";
import type { BrokerApi, HealthReport } from "./api.ts";
import { Hub } from "./channels/hub.ts";
import { adopt } from "./channels/interest.ts";
import { Namespaces } from "./channels/namespace.ts";
import { LocalDirectory } from "./cluster/directory.ts";
import { answerQuestions } from "./cluster/node-questions.ts";
import { Answerer } from "./cluster/questions.ts";
import { endByReset } from "./commands/unsubscribe.ts";
import type { BrokerConfig } from "./config/config.ts";
import type { BrokerContext } from "./context.ts";
import { drainSessions } from "./drain.ts";
import { createEngine } from "./engine/create-engine.ts";
import type { Engine } from "./engine/engine.ts";
import { Ingest } from "./ingest.ts";
import { NodeApi } from "./node-api.ts";
import { silentLogger, systemClock } from "./ports.ts";
import type { Authenticator, Clock, Logger, TransformRunner } from "./ports.ts";
import { BrokerServer } from "./server.ts";
import { refuseHandshake } from "./sessions/handshake.ts";
import { tellReachToAll } from "./sessions/notices.ts";
import { Registry } from "./sessions/registry.ts";
import { Sessions } from "./sessions/sessions.ts";
import { Stats } from "./stats.ts";
import { Sweeper } from "./sweeper.ts";
import { Tick } from "./tick.ts";
import type { TraceSink } from "./tracing/delivery-trace.ts";
import { Tracer } from "./tracing/tracer.ts";
import { createEmitRule } from "./transforms/emit-rule.ts";
import { historyFor } from "./transforms/history-for.ts";
import { isServing } from "./transforms/is-serving.ts";
import { Settler } from "./transforms/settler.ts";
import { TransformGate } from "./transforms/transform-gate.ts";

/** Answers HTTP requests that are no WebSocket handshakes. */
export type HttpHandler = (request: Request, info: { address: string }) => Promise<Response>;

export interface BrokerParts {
  readonly config: BrokerConfig;
  readonly authenticator: Authenticator;
  /** Made with the broker's API, because it answers with it. */
  readonly createHttpHandler: (api: BrokerApi) => HttpHandler;
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

/** A broker that stops gives what is still in transforms this long to get its place, ms. */
const STOP_TRANSFORMS_MS = 2000;

type BrokerState = "new" | "running" | "draining" | "stopped";

/** One broker process: what main.ts starts, and what tests and embedders hold. */
export class Broker {
  readonly api: BrokerApi;
  readonly #config: BrokerConfig;
  readonly #parts: BrokerParts;
  readonly #context: BrokerContext;
  readonly #sessions: Sessions;
  readonly #sweeper: Sweeper;
  readonly #startedMs: number;
  readonly #gate: TransformGate | null;
  #server: BrokerServer | null = null;
  #state: BrokerState = "new";

  constructor(parts: BrokerParts) {
    const { config, clock = systemClock, logger = silentLogger } = parts;
    const stats = new Stats();
    const tick = new Tick(clock);
    const engine = parts.engine ?? createEngine(config, clock, logger, stats);
    const { maxChannels } = config;
    const namespaces = new Namespaces(config.namespaces);
    this.#parts = parts;
    this.#config = config;
    this.#startedMs = clock.nowMs();
    const tracer = new Tracer({
      node: config.node,
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
      onReset: (session, channel) => endByReset(this.#context, session, channel),
    });
    const { node } = config;
    const { authenticator } = parts;
    const registry = new Registry();
    const { transforms = null } = parts;
    const mayEmit = createEmitRule(config.transforms);
    const settler = new Settler({ engine, hub, stats, clock, mayEmit });
    this.#gate =
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
    this.#context = {
      node,
      engine,
      ingest: new Ingest(engine, stats, this.#gate, tracer),
      transforms,
      hub,
      registry,
      directory: engine.createDirectory?.(local) ?? local,
      authenticator,
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
    engine.onUnknownChannel((name) => adopt(this.#context, name));
    tracer.connect(engine);
    engine.onReachChanged?.(() => tellReachToAll(this.#context));
    this.#sessions = new Sessions(this.#context, config, tick);
    this.#sweeper = new Sweeper(this.#context, config);
    this.api = new NodeApi(this.#context, () => this.#health());
    answerQuestions(answerer, {
      api: this.api,
      tracer,
      transforms: config.transforms,
      transformsFolder: config.transformsFolder,
    });
  }

  /** The port it listens on; 0 before `start`. */
  get port(): number {
    return this.#server?.port ?? 0;
  }

  get url(): string {
    const { host } = this.#config;
    return `ws://${host.includes(":") ? `[${host}]` : host}:${this.port}`;
  }

  /**
   * Starts the engine and the transforms, then listens.
   * @throws Error when a transform cannot be loaded, or the port is taken
   */
  async start(): Promise<void> {
    const { engine } = this.#context;
    await engine.start();
    await this.#startTransforms();
    try {
      this.#server = this.#listen();
    } catch (error) {
      await this.#gate?.stop(0);
      await engine.stop();
      throw error;
    }
    this.#sweeper.start();
    this.#state = "running";
  }

  #listen(): BrokerServer {
    const handle = this.#parts.createHttpHandler(this.api);
    const sessions = this.#sessions;
    return new BrokerServer(
      {
        refuse: (request, address) => this.#refuse(request, address),
        authenticate: (token) => this.#parts.authenticator.authenticate(token),
        opened: (socket, handshake) => sessions.opened(socket, handshake),
        received: (session, message) => sessions.received(session, message),
        writable: (session) => sessions.writable(session),
        heard: (session) => sessions.heard(session),
        closed: (session, code) => sessions.closed(session, code),
        request: (request, address) => handle(request, { address }),
      },
      {
        host: this.#config.host,
        port: this.#config.port,
        reusePort: this.#config.reusePort,
        maxMessageBytes: this.#config.maxMessageBytes,
        // At most one message beyond the first that did not fit is ever handed over.
        backpressureLimitBytes: 4 * 1024 * 1024 + 4 * this.#config.maxMessageBytes,
      },
    );
  }

  async #startTransforms(): Promise<void> {
    const { transforms, engine } = this.#context;
    if (transforms === null || this.#gate === null) return;
    try {
      await transforms.start(this.#gate, { history: historyFor(this.#context) });
    } catch (error) {
      await transforms.stop(0);
      await engine.stop();
      const message = error instanceof Error ? error.message : String(error);
      const advice = "put that right, or take it out of the transforms of the configuration";
      throw new Error(`${message}; ${advice}`, { cause: error });
    }
  }

  /** Why a handshake is refused before anything is spent on it; null when it is not. */
  #refuse(request: Request, address: string): Response | null {
    const { registry } = this.#context;
    const { maxConnections, maxConnectionsPerIp } = this.#config;
    if (!this.#parts.isOriginAllowed(request.headers.get("origin"), request)) {
      return refuseHandshake(Code.forbidden, "origin not allowed");
    }
    if (this.#state !== "running")
      return refuseHandshake(Code.drain, "this broker is shutting down");
    if (maxConnections > 0 && registry.size >= maxConnections) {
      return refuseHandshake(Code.overloaded, "this broker has its maximum of connections");
    }
    if (maxConnectionsPerIp > 0 && registry.countOfAddress(address) >= maxConnectionsPerIp) {
      return refuseHandshake(Code.connectionLimit, "too many connections from this address");
    }
    return null;
  }

  #health(): HealthReport {
    const { engine, registry, clock, node, transforms } = this.#context;
    const isRunning = this.#state === "running";
    const states = transforms?.status() ?? [];
    const canServe = engine.isReady() && states.every(isServing);
    return {
      isReady: isRunning && canServe,
      status: isRunning
        ? canServe
          ? "ok"
          : "degraded"
        : this.#state === "new"
          ? "starting"
          : "draining",
      node,
      engine: engine.name,
      uptimeMs: Math.round(clock.nowMs() - this.#startedMs),
      connections: registry.size,
      shards: engine.shards?.() ?? [],
      transforms: states
        .filter(({ state }) => state !== "running")
        .map(({ id, state }) => ({ id, state })),
    };
  }

  /** Does what is due by the clock now; a timer calls it by itself. */
  sweep(): void {
    this.#sweeper.sweep();
  }

  /**
   * Shuts down without loss: takes no new connections, tells clients, closes them evenly over `windowMs`
   * while still serving, and stops. A second call cuts it short.
   */
  async drain(windowMs: number = this.#config.drainMs): Promise<void> {
    if (this.#state !== "running") {
      await this.stop();
      return;
    }
    this.#state = "draining";
    const { registry, hub } = this.#context;
    this.#server?.stopListening();
    const sessions = [...registry.all()];
    for (const session of sessions) session.reply(encodeDrain(windowMs));
    await drainSessions({
      sessions,
      windowMs,
      flush: () => hub.flushAll(),
      isOver: () => this.#state !== "draining" || registry.size === 0,
    });
    await this.#stop(STOP_TRANSFORMS_MS);
  }

  /** Closes everything at once. What is in transforms still gets its place. */
  async stop(): Promise<void> {
    // Somebody who cuts a drain short does not wait for transforms either.
    await this.#stop(this.#state === "draining" ? 0 : STOP_TRANSFORMS_MS);
  }

  async #stop(transformsMs: number): Promise<void> {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    const { registry, engine, hub } = this.#context;
    hub.flushAll();
    for (const session of registry.all()) session.close(Code.drain);
    this.#sweeper.stop();
    await this.#stopTransforms(transformsMs);
    await this.#server?.stop();
    await engine.stop();
  }

  /** While they end, requests of the server API that wait for them stay open. */
  async #stopTransforms(withinMs: number): Promise<void> {
    if (this.#gate === null) return;
    this.#server?.stopListening();
    await this.#gate.stop(withinMs);
    // Their answers leave in the turn after this one.
    await new Promise((resolve) => setImmediate(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
