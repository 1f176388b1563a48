import { Code } from "../../../protocol/codes.ts";
import { BrokerError } from "../../api.ts";
import type { DisconnectTarget, LocalDirectory, RevokeTarget } from "../../cluster/directory.ts";
import type { Clock, Logger } from "../../ports.ts";
import { randomId } from "../epoch.ts";
import { writeControlMessage } from "./control-message.ts";
import type { ControlMessage } from "./control-message.ts";
import { ControlRecord, readTarget, targetText } from "./control-record.ts";
import type { Deed } from "./control-record.ts";
import type { Keys } from "./keys.ts";
import { asBrokerError, messageOf } from "./lease-home.ts";
import type { Home } from "./lease-home.ts";

/** Who asked waits this long for the other nodes' answers. */
const ANSWER_MS = 1000;

/** A node that was cut off for no longer than this still disconnects whom it was asked to meanwhile. */
const DISCONNECT_TTL_MS = 600_000;
const MAX_DISCONNECTS = 10_000;

/** Revocations remembered by a node, of users and of tokens; together with the authenticator's own bounds. */
const MAX_REVOCATIONS = 200_000;

export interface OrdersOptions {
  readonly home: Home;
  readonly keys: Keys;
  readonly local: LocalDirectory;
  /** Name of this run of this node. */
  readonly incarnation: string;
  /** How long a revocation is in force: until no token that it concerns can be valid. */
  readonly revocationTtlMs: number;
  /** Says something to one run of a node. Rejects when it cannot be sent. */
  readonly answer: (to: string, message: ControlMessage) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const NOT_TOLD = "done on this node; the others will hear of it when Redis can be reached";

export type Order = Extract<ControlMessage, { readonly type: "disconnect" | "revoke" }>;

/** Who asked the nodes for something. */
interface Asking {
  /** Known once Redis has said how many nodes it told. */
  expected: number;
  answers: number;
  closed: number;
  readonly answered: PromiseWithResolvers<void>;
}

/**
 * Orders that concern all nodes: close these connections, refuse these tokens. Whoever is connected hears them
 * at once and answers how many connections it closed; whoever is not reads them in Redis when it is back.
 */
export class Orders {
  readonly #options: OrdersOptions;
  readonly #revoked: ControlRecord;
  readonly #disconnected: ControlRecord;
  readonly #askings = new Map<string, Asking>();
  #syncing: Promise<void> | null = null;
  #isSyncDue = false;
  #isStopped = false;

  constructor(options: OrdersOptions) {
    const { home, keys, revocationTtlMs } = options;
    this.#options = options;
    this.#revoked = new ControlRecord({
      home,
      keys,
      name: "revoked",
      ttlMs: revocationTtlMs,
      maxDeeds: MAX_REVOCATIONS,
    });
    this.#disconnected = new ControlRecord({
      home,
      keys,
      name: "disconnected",
      ttlMs: DISCONNECT_TTL_MS,
      maxDeeds: MAX_DISCONNECTS,
    });
  }

  async disconnect(target: DisconnectTarget): Promise<number> {
    const { local, clock } = this.#options;
    const closed = local.disconnect(target);
    // There is only one connection of a name.
    if (target.connection !== undefined && closed > 0) return closed;
    const deed = { text: targetText(target), atMs: clock.wallMs() };
    return closed + (await this.#order("disconnect", deed));
  }

  async revoke(target: RevokeTarget): Promise<number> {
    const { local, clock } = this.#options;
    const deed = { text: targetText(target), atMs: clock.wallMs() };
    const closed = local.revoke(target, deed.atMs);
    return closed + (await this.#order("revoke", deed));
  }

  #recordOf(type: Order["type"]): ControlRecord {
    return type === "revoke" ? this.#revoked : this.#disconnected;
  }

  /** Tells the nodes, and resolves to how many connections they closed. */
  async #order(type: Order["type"], deed: Deed): Promise<number> {
    const { incarnation: from, clock, logger } = this.#options;
    const id = randomId(12);
    const asking: Asking = {
      expected: Infinity,
      answers: 0,
      closed: 0,
      answered: Promise.withResolvers<void>(),
    };
    this.#askings.set(id, asking);
    const record = this.#recordOf(type);
    record.note(deed);
    try {
      const message = writeControlMessage({ type, from, id, ...deed });
      asking.expected = await record.write([deed], message, clock.wallMs());
    } catch (error) {
      this.#askings.delete(id);
      logger.log("warn", "control_not_sent", { type, error: messageOf(error) });
      const { info } = asBrokerError(error);
      throw info === Code.unavailable
        ? new BrokerError(info, NOT_TOLD, { cause: error })
        : asBrokerError(error);
    }
    if (asking.answers < asking.expected) await untilOrAfter(asking.answered.promise, ANSWER_MS);
    this.#askings.delete(id);
    const missing = asking.expected - asking.answers;
    if (missing > 0) logger.log("warn", "control_unanswered", { type, nodes: missing });
    return asking.closed;
  }

  answered(id: string, closed: number): void {
    const asking = this.#askings.get(id);
    if (asking === undefined) return;
    asking.answers++;
    asking.closed += closed;
    if (asking.answers >= asking.expected) asking.answered.resolve();
  }

  /** Does what a node asked for, and answers it; this node's own orders have been followed already. */
  async obey({ type, from, id, text, atMs }: Order): Promise<void> {
    const { local, incarnation, logger } = this.#options;
    const target = readTarget(text);
    let closed = 0;
    if (from !== incarnation && target !== null) {
      try {
        closed = type === "revoke" ? local.revoke(target, atMs) : local.disconnect(target);
        this.#recordOf(type).note({ text, atMs });
      } catch (error) {
        logger.log("error", "control_refused", { type, error: messageOf(error) });
      }
    }
    try {
      await this.#options.answer(from, { type: "done", id, closed });
    } catch (error) {
      logger.log("debug", "control_not_answered", { type, error: messageOf(error) });
    }
  }

  /** Compares what is remembered with Redis's, and exchanges the difference if there is one. */
  async audit(): Promise<void> {
    const nowMs = this.#options.clock.wallMs();
    if ((await this.#revoked.differs(nowMs)) || (await this.#disconnected.differs(nowMs))) {
      await this.sync();
    }
  }

  /** Catches up with what was done while this node did not listen. Never rejects. */
  sync(): Promise<void> {
    this.#isSyncDue = true;
    this.#syncing ??= this.#sync().finally(() => {
      this.#syncing = null;
    });
    return this.#syncing;
  }

  async #sync(): Promise<void> {
    const { logger } = this.#options;
    while (this.#isSyncDue && !this.#isStopped) {
      this.#isSyncDue = false;
      try {
        await this.#exchange();
      } catch (error) {
        // The next renewal of the lease finds the difference.
        logger.log("debug", "control_not_read", { error: messageOf(error) });
      }
    }
  }

  async #exchange(): Promise<void> {
    const { local, clock, logger } = this.#options;
    const message = writeControlMessage({ type: "sync" });
    const nowMs = clock.wallMs();
    await this.#revoked.sync(nowMs, message, (deeds) => {
      try {
        local.revokeAll(deeds.flatMap((deed) => withTarget(deed)));
      } catch (error) {
        logger.log("error", "control_refused", { type: "revoke", error: messageOf(error) });
      }
    });
    await this.#disconnected.sync(nowMs, message, (deeds) => {
      for (const { target, atMs } of deeds.flatMap((deed) => withTarget(deed))) {
        local.disconnect(target, atMs);
      }
    });
  }

  stop(): void {
    this.#isStopped = true;
    for (const { answered } of this.#askings.values()) answered.resolve();
  }
}

/** Nothing for what is not ours. */
function withTarget({
  text,
  atMs,
}: Deed): { readonly target: DisconnectTarget & RevokeTarget; readonly atMs: number }[] {
  const target = readTarget(text);
  return target === null ? [] : [{ target, atMs }];
}

/** Resolves when the promise does, or after a while. */
async function untilOrAfter(promise: Promise<void>, ms: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  await Promise.race([promise, late.promise]);
  clearTimeout(timer);
}
