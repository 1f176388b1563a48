import { AuthGate } from "../../broker/auth/auth-gate.ts";
import { createAuthenticator } from "../../broker/auth/create-authenticator.ts";
import { Hub } from "../../broker/channels/hub.ts";
import { adopt } from "../../broker/channels/interest.ts";
import { Namespaces } from "../../broker/channels/namespace.ts";
import { LocalDirectory } from "../../broker/cluster/directory.ts";
import { endByReset } from "../../broker/commands/unsubscribe.ts";
import { buildConfig } from "../../broker/config/config.ts";
import type { ConfigInput } from "../../broker/config/config.ts";
import type { BrokerContext } from "../../broker/context.ts";
import type { Engine } from "../../broker/engine/engine.ts";
import { MemoryEngine } from "../../broker/engine/memory-engine.ts";
import { Ingest } from "../../broker/ingest.ts";
import { NodeApi } from "../../broker/node-api.ts";
import { silentLogger } from "../../broker/ports.ts";
import { Registry } from "../../broker/sessions/registry.ts";
import type { Session } from "../../broker/sessions/session.ts";
import { Sessions } from "../../broker/sessions/sessions.ts";
import { Stats } from "../../broker/stats.ts";
import { Tick } from "../../broker/tick.ts";
import { Tracer } from "../../broker/tracing/tracer.ts";
import { BinaryCodec } from "../../protocol/binary-codec.ts";
import type { Frame } from "../../protocol/frame.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";
import { MAX_PUSH_DEPTH } from "../../protocol/limits.ts";
import { encodeConnect } from "../../protocol/messages/connect.ts";
import { decodeServerFrame } from "../../protocol/push.ts";
import type { ServerFrame } from "../../protocol/push.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import { PlainSocket } from "./plain-socket.ts";
import { VirtualClock } from "./virtual-clock.ts";

const json = new JsonCodec(MAX_PUSH_DEPTH);
const binary = new BinaryCodec(MAX_PUSH_DEPTH);

function jsonMessage(frames: readonly Frame[]): string {
  return json.join(frames.map((frame) => json.encode(frame)));
}

function binaryMessage(frames: readonly Frame[]): Uint8Array {
  return binary.join(frames.map((frame) => binary.encode(frame)));
}

/**
 * A broker's inside without a network: the real hub, sessions, commands and engine over sockets that a test
 * holds the other end of, so that fullness, closing and time come exactly when the test says.
 */
export class PlainNode {
  readonly clock = new VirtualClock();
  readonly stats = new Stats();
  readonly registry = new Registry();
  readonly hub: Hub;
  readonly engine: Engine;
  readonly sessions: Sessions;
  readonly api: NodeApi;

  constructor(input: ConfigInput = {}, wrap: (engine: Engine) => Engine = (engine) => engine) {
    const config = buildConfig({ log: "silent", ...input });
    const { clock, stats, registry } = this;
    const { idempotencyWindowMs, idempotencyKeys, channelIdleMs, maxChannels } = config;
    const tick = new Tick(clock);
    this.engine = wrap(
      new MemoryEngine({ clock, idempotencyWindowMs, idempotencyKeys, channelIdleMs }),
    );
    const namespaces = new Namespaces(config.namespaces);
    const { tracesPerSecond, flightRecorder: flightRecords, receiptIntervalMs } = config;
    const tracer = new Tracer({
      node: config.node,
      clock,
      stats: stats.tracing,
      sink: null,
      tracesPerSecond,
      flightRecords,
      receiptIntervalMs,
    });
    this.hub = new Hub({
      engine: this.engine,
      namespaces,
      stats,
      clock,
      tick,
      maxChannels,
      tracer,
      onReset: (session, channel) => endByReset(context, session, channel),
    });
    const { node } = config;
    const authenticator = createAuthenticator(config, clock, silentLogger);
    const context: BrokerContext = {
      node,
      engine: this.engine,
      ingest: new Ingest(this.engine, stats, null, tracer),
      transforms: null,
      hub: this.hub,
      registry,
      directory: new LocalDirectory({ node, registry, hub: this.hub, authenticator }),
      authenticator,
      authGate: new AuthGate({
        authenticator,
        failureRate: config.authFailureRate,
        clock,
        logger: silentLogger,
        stats,
      }),
      clock,
      logger: silentLogger,
      stats,
      tracer,
      limits: config,
      maxConnectionsPerUser: config.maxConnectionsPerUser,
      tokenClockToleranceMs: config.tokenClockToleranceS * 1000,
    };
    this.engine.onUnknownChannel((name) => adopt(context, name));
    this.sessions = new Sessions(context, config, tick);
    this.api = new NodeApi(context, () => {
      throw new Error("a plain node has no health");
    });
  }

  /** A client that has connected. */
  async connect(format: "msgpack" | "json" = "msgpack"): Promise<PlainClient> {
    const client = new PlainClient(this.sessions, format);
    client.send(encodeConnect({ id: 1, version: PROTOCOL_VERSION, token: null, client: null }));
    await this.settle();
    return client;
  }

  /** Lets the ticks and promises under way come to their ends. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }
}

/** One client of a plain node. */
export class PlainClient {
  readonly socket: PlainSocket;
  readonly session: Session;
  readonly #sessions: Sessions;
  readonly #format: "msgpack" | "json";

  constructor(sessions: Sessions, format: "msgpack" | "json") {
    this.#sessions = sessions;
    this.#format = format;
    this.socket = new PlainSocket((code) => sessions.closed(this.session, code));
    this.session = sessions.opened(this.socket, {
      format,
      address: "10.0.0.1",
      failureKey: null,
      identity: null,
    });
  }

  /** Sends frames as one message. */
  send(...frames: readonly Frame[]): void {
    this.#sessions.received(
      this.session,
      this.#format === "json" ? jsonMessage(frames) : binaryMessage(frames),
    );
  }

  /** Sends frames and something behind them that is none, as one message. */
  sendBroken(...frames: readonly Frame[]): void {
    this.#sessions.received(
      this.session,
      this.#format === "json"
        ? `${jsonMessage(frames)}\n[4,`
        : binary.join([binaryMessage(frames), Uint8Array.of(0xc1)]),
    );
  }

  /** From the next message on the broker is told to wait. */
  stopReading(): void {
    this.socket.room = 0;
  }

  /** Reads what the socket held; the broker goes on. */
  resumeReading(): void {
    this.socket.room = Infinity;
    if (!this.socket.isFull) return;
    this.socket.becomeWritable();
    this.#sessions.writable(this.session);
  }

  /** The connection is gone without a word. */
  vanish(): void {
    this.socket.isGone = true;
    this.#sessions.closed(this.session, 1006);
  }

  /** Every frame it was sent. */
  get frames(): ServerFrame[] {
    const frames: ServerFrame[] = [];
    const take = (raw: readonly unknown[]): void => {
      const frame = decodeServerFrame(raw);
      if (frame !== null) frames.push(frame);
    };
    for (const message of this.socket.taken) {
      if (typeof message === "string") json.decode(message, take);
      else binary.decode(message, take);
    }
    return frames;
  }
}
