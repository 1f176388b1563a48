import { Code } from "../protocol/codes.ts";
import { encodeDrain } from "../protocol/messages/drain.ts";
import type { BrokerApi } from "./api.ts";
import { assemble } from "./assemble.ts";
import type { BrokerParts } from "./assemble.ts";
import { answerQuestions } from "./cluster/node-questions.ts";
import type { BrokerConfig } from "./config/config.ts";
import type { BrokerContext } from "./context.ts";
import { drainSessions } from "./drain.ts";
import { healthOf } from "./health.ts";
import type { BrokerState } from "./health.ts";
import { NodeApi } from "./node-api.ts";
import { BrokerServer } from "./server.ts";
import { refuseHandshake } from "./sessions/handshake.ts";
import { Sessions } from "./sessions/sessions.ts";
import { Sweeper } from "./sweeper.ts";
import { historyFor } from "./transforms/history-for.ts";
import type { TransformGate } from "./transforms/transform-gate.ts";

/** A broker that stops gives what is still in transforms this long to get its place, ms. */
const STOP_TRANSFORMS_MS = 2000;

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
    const { config } = parts;
    const { context, gate, answerer, tick } = assemble(parts);
    this.#parts = parts;
    this.#config = config;
    this.#context = context;
    this.#gate = gate;
    this.#startedMs = context.clock.nowMs();
    this.#sessions = new Sessions(context, config, tick);
    this.#sweeper = new Sweeper(context, config);
    this.api = new NodeApi(context, () => healthOf(context, this.#state, this.#startedMs));
    answerQuestions(answerer, {
      api: this.api,
      tracer: context.tracer,
      transforms: config.transforms,
      transformsFolder: config.transformsFolder,
      logger: context.logger,
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
    const handle = this.#parts.createHttpHandler(this.api, this.#context.authGate);
    const sessions = this.#sessions;
    return new BrokerServer(
      {
        refuse: (request, address) => this.#refuse(request, address),
        authenticate: (token, key) => this.#context.authGate.authenticate(token, key),
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
