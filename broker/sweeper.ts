import { Code } from "../protocol/codes.ts";
import { encodeTokenExpiring } from "../protocol/messages/refresh.ts";
import type { BrokerConfig } from "./config/config.ts";
import type { BrokerContext } from "./context.ts";
import type { Session } from "./sessions/session.ts";

/** How often sessions that have not connected, and all sessions, are looked at. */
const PENDING_SWEEP_MS = 250;
const SESSION_SWEEP_MS = 1000;
/** How often channels and history are. */
const CHANNEL_SWEEP_MS = 5000;

/** A token-expiring push leaves this long before the end [P-4.5]. */
const EXPIRY_NOTICE_MS = 30_000;

/**
 * Looks after what time alone makes due: the pre-auth bound, silence, expired tokens, expired history.
 * One timer for all sessions, not one each.
 */
export class Sweeper {
  readonly #context: BrokerContext;
  readonly #config: BrokerConfig;
  #timer: ReturnType<typeof setInterval> | null = null;
  #nextSessionsMs = 0;
  #nextChannelsMs = 0;
  #expectedMs = 0;

  constructor(context: BrokerContext, config: BrokerConfig) {
    this.#context = context;
    this.#config = config;
  }

  start(): void {
    this.#expectedMs = performance.now() + PENDING_SWEEP_MS;
    this.#timer = setInterval(() => {
      // How late this timer is, is how long the event loop was not free. Real time, whatever the clock.
      const nowMs = performance.now();
      this.#context.stats.eventLoopLag.record(Math.max(0, nowMs - this.#expectedMs));
      this.#expectedMs = nowMs + PENDING_SWEEP_MS;
      this.sweep();
    }, PENDING_SWEEP_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Does what is due by the broker's clock. */
  sweep(): void {
    const { clock, registry, hub, engine } = this.#context;
    const nowMs = clock.nowMs();
    for (const session of registry.pending) {
      if (nowMs - session.openedMs > this.#config.preAuthMs) session.close(Code.authTimeout);
    }
    if (nowMs >= this.#nextSessionsMs) {
      this.#nextSessionsMs = nowMs + SESSION_SWEEP_MS;
      this.#context.tracer.sweep();
      const wallMs = clock.wallMs();
      for (const session of registry.all()) {
        if (session.state !== "connected") continue;
        this.#checkLiveness(session, nowMs);
        this.#checkToken(session, wallMs);
        session.floodCount = 0;
      }
    }
    if (nowMs >= this.#nextChannelsMs) {
      this.#nextChannelsMs = nowMs + CHANNEL_SWEEP_MS;
      engine.sweep(nowMs);
      hub.sweep(nowMs);
    }
  }

  #checkLiveness(session: Session, nowMs: number): void {
    const { pingIntervalMs, pingGraceMs } = this.#config;
    if (session.wasHeard) {
      session.wasHeard = false;
      session.wasPinged = false;
      session.lastHeardMs = nowMs;
      return;
    }
    const silentMs = nowMs - session.lastHeardMs;
    if (silentMs > pingIntervalMs + pingGraceMs) session.close(Code.noPong);
    else if (silentMs > pingIntervalMs && !session.wasPinged) {
      session.wasPinged = true;
      session.socket.ping();
    }
  }

  #checkToken(session: Session, wallMs: number): void {
    const { identity } = session;
    if (identity === null || identity.expiresAtMs === 0) return;
    // The tolerance for clocks is in `expiresAtMs`; the notice goes by the token's own time.
    const leftMs = identity.expiresAtMs - wallMs;
    const expiresInMs = leftMs - this.#config.tokenClockToleranceS * 1000;
    if (leftMs <= 0) session.failAndClose(0, Code.tokenExpired);
    else if (expiresInMs < EXPIRY_NOTICE_MS && !session.wasToldOfExpiry) {
      session.wasToldOfExpiry = true;
      session.reply(encodeTokenExpiring(Math.max(0, Math.round(expiresInMs))));
    }
  }
}
