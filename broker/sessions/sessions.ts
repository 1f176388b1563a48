import { Code, codeInfo } from "../../protocol/codes.ts";
import { endSubscription } from "../commands/unsubscribe.ts";
import type { BrokerConfig } from "../config/config.ts";
import type { BrokerContext } from "../context.ts";
import { receive } from "../dispatch.ts";
import { randomId } from "../engine/epoch.ts";
import { RateLimit } from "../rate-limit.ts";
import type { Handshake } from "../server.ts";
import type { DropReason } from "../stats.ts";
import type { Tick, TickWork } from "../tick.ts";
import { Outbound } from "./outbound.ts";
import type { OutboundContext } from "./outbound.ts";
import { Session } from "./session.ts";
import type { Socket } from "./socket.ts";

/** Opens and closes sessions, and sends at the end of each tick what they have to say. */
export class Sessions implements TickWork {
  readonly #context: BrokerContext;
  readonly #config: BrokerConfig;
  readonly #outboundContext: OutboundContext;
  #unflushed: Outbound[] = [];

  constructor(context: BrokerContext, config: BrokerConfig, tick: Tick) {
    this.#context = context;
    this.#config = config;
    this.#outboundContext = {
      stats: context.stats,
      maxQueuedBytes: config.outboundBytes,
      maxTotalQueuedBytes: config.outboundTotalBytes,
      scheduleFlush: (outbound) => {
        this.#unflushed.push(outbound);
        tick.schedule();
      },
    };
    tick.add(this);
  }

  /** Replies of this tick that no publication took along leave. */
  endTick(): void {
    const unflushed = this.#unflushed;
    if (unflushed.length === 0) return;
    this.#unflushed = [];
    for (const outbound of unflushed) outbound.flush();
  }

  opened(socket: Socket, handshake: Handshake): Session {
    const { clock, registry, stats } = this.#context;
    const { publishRate, publishByteRate, commandRate } = this.#config;
    const nowMs = clock.nowMs();
    const session = new Session({
      id: `c_${randomId(16)}`,
      format: handshake.format,
      address: handshake.address,
      failureKey: handshake.failureKey,
      socket,
      stats,
      sinceMs: clock.wallMs(),
      openedMs: nowMs,
      publishLimit: new RateLimit(publishRate, publishRate * 2, nowMs),
      publishByteLimit: new RateLimit(publishByteRate, publishByteRate * 2, nowMs),
      commandLimit: new RateLimit(commandRate, commandRate * 2, nowMs),
      identity: handshake.identity,
      onLost: this.#onLost,
      createOutbound: (owner) =>
        new Outbound(handshake.format, socket, this.#outboundContext, (reason) =>
          this.#tooSlow(owner, reason),
        ),
    });
    registry.opened(session);
    stats.connectionsOpened++;
    stats.connectionsOpen = registry.size;
    return session;
  }

  #tooSlow(session: Session, reason: "slow" | "node-budget"): void {
    if (session.isCondemned) return;
    session.isCondemned = true;
    const { hub, logger } = this.#context;
    hub.whenSettled(() => {
      const { queuedBytes } = session.outbound;
      logger.log("warn", "slow_consumer", {
        connection: session.id,
        user: session.identity?.user,
        queuedBytes,
        reason,
      });
      session.discard(reason);
      session.close(Code.slow, Code.slow.text);
    });
  }

  received(session: Session, message: Uint8Array | string): void {
    receive(this.#context, session, message);
  }

  writable(session: Session): void {
    const waited = session.outbound.onWritable();
    if (waited.length > 0) this.#context.tracer.queues.handedOver(session, waited);
  }

  readonly #onLost = (session: Session, reason: DropReason): void => {
    this.#context.tracer.queues.lost(session, session.outbound.waiting(), reason);
  };

  /** The client's runtime answered a ping, or sent one. */
  heard(session: Session): void {
    session.wasHeard = true;
  }

  /** The socket is gone, whoever closed it. */
  closed(session: Session, code: number): void {
    this.#context.hub.whenSettled(() => this.#forget(session, code));
  }

  #forget(session: Session, code: number): void {
    const { registry, directory, stats } = this.#context;
    if (session.state !== "closed") {
      session.state = "closed";
      stats.closed(closeName(code));
    }
    for (const name of session.subscriptions.keys()) {
      endSubscription(this.#context, session, name);
    }
    session.discard("closed");
    session.heldMessages = [];
    session.forgetDecisions();
    registry.closed(session);
    directory.left(session);
    stats.connectionsOpen = registry.size;
  }
}

/** RFC 6455 codes that a peer or the runtime closed with, by a closed set of names for the metrics. */
function closeName(code: number): string {
  const known = codeInfo(code);
  if (known !== undefined) return known.name;
  switch (code) {
    case 1000:
      return "normal";
    case 1001:
      return "going_away";
    case 1005:
      return "no_code";
    case 1006:
      return "abnormal";
    case 1009:
      return "message_too_big";
    default:
      return "other";
  }
}
