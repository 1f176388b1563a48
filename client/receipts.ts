import type { ConnectedReply } from "../protocol/messages/connected.ts";
import type { PublicationMeta } from "../protocol/messages/meta.ts";
import { Op } from "../protocol/op.ts";
import { noTimer } from "./clock.ts";
import type { ClientClock } from "./clock.ts";
import { IGNORED } from "./commands.ts";
import type { Commands, ResultHandler } from "./commands.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Outgoing } from "./outgoing.ts";
import { encodeFrame } from "./value-codec.ts";

/** Late publications are not told of more often than this, ms [P-6.10]. */
const LATE_PAUSE_MS = 1000;
/** What two clocks drift apart in a ms, at most: 100 ppm. */
const DRIFT = 1e-4;

/** Round trip of a ping, and how far the broker's wall clock is ahead of ours, ms. */
export interface ClockReading {
  readonly rttMs: number;
  readonly clockOffsetMs: number;
}

export interface ReceiptsParts {
  readonly options: Pick<ResolvedOptions, "clock" | "random">;
  readonly commands: Pick<Commands, "ping">;
  readonly outgoing: Pick<Outgoing, "frame">;
}

/** Tells the broker when publications reached this client, as often as it asks for that [P-6.10]. */
export class Receipts {
  readonly #parts: ReceiptsParts;
  readonly #clock: ClientClock;
  /** 0: the broker wants none. */
  #intervalMs = 0;
  #slowMs = 0;
  /** The broker's wall clock less our monotonic one, how wrong that was when measured, and when; ms. */
  #aheadMs = 0;
  #errorMs = Infinity;
  #measuredAtMs = 0;
  #lateAtMs = -Infinity;
  #cancelTimer = noTimer;
  /** The next live publication is told of. */
  isDue = false;

  constructor(parts: ReceiptsParts) {
    this.#parts = parts;
    this.#clock = parts.options.clock;
  }

  /** A connection; clocks of nodes differ. At random, so that not all subscribers tell of one publication. */
  up({ serverTimeMs, limits }: ConnectedReply, askedAtMs: number): void {
    this.#intervalMs = limits.receiptIntervalMs ?? 0;
    this.#slowMs = limits.slowMs ?? 0;
    this.#errorMs = Infinity;
    this.#measured(serverTimeMs, askedAtMs);
    this.#wait(this.#parts.options.random());
  }

  down(): void {
    this.#cancelTimer();
  }

  /** The broker's clock as this client estimates it. */
  get serverTimeMs(): number {
    return this.#aheadMs + this.#clock.nowMs();
  }

  /** Pings, and learns from the answer how the broker's clock goes. */
  measure(handler: ResultHandler<ClockReading> = IGNORED): void {
    const clock = this.#clock;
    const askedAtMs = clock.nowMs();
    this.#parts.commands.ping(Math.max(0, Math.floor(clock.wallMs())), {
      ...handler,
      onResult: ({ serverTimeMs }) => handler.onResult(this.#measured(serverTimeMs, askedAtMs)),
    });
  }

  /** A publication that is not from history is about to reach the application. */
  reached(channelId: number, offset: number, meta: PublicationMeta | null): void {
    const nowMs = this.#clock.nowMs();
    const errorMs = this.#errorAt(nowMs);
    const timeMs = this.#aheadMs + nowMs;
    const tookMs = timeMs - errorMs - (meta?.timeMs ?? Infinity);
    if (tookMs > (this.#slowMs || Infinity) && nowMs - this.#lateAtMs >= LATE_PAUSE_MS) {
      this.#lateAtMs = nowMs;
    } else if (!this.isDue) return;
    if (this.isDue) this.#wait(1);
    const frame = [Op.receipt, channelId, offset, Math.round(timeMs), Math.ceil(errorMs)] as const;
    this.#parts.outgoing.frame(encodeFrame(frame));
  }

  /** For this share of the interval. What is due is told by a clock just measured. */
  #wait(share: number): void {
    this.isDue = false;
    if (this.#intervalMs === 0) this.#slowMs = 0;
    else {
      const due = (): void => {
        this.isDue = true;
      };
      this.#cancelTimer = this.#clock.after(share * this.#intervalMs, () =>
        this.measure({ onResult: due, onError: due }),
      );
    }
  }

  /** Of the readings the one with the shortest way counts, until it is too old. */
  #measured(serverTimeMs: number, askedAtMs: number): ClockReading {
    const clock = this.#clock;
    const nowMs = clock.nowMs();
    const rttMs = nowMs - askedAtMs;
    const errorMs = rttMs / 2;
    const timeMs = serverTimeMs + errorMs;
    if (errorMs <= this.#errorAt(nowMs)) {
      this.#aheadMs = timeMs - nowMs;
      this.#errorMs = errorMs;
      this.#measuredAtMs = nowMs;
    }
    return { rttMs, clockOffsetMs: timeMs - clock.wallMs() };
  }

  #errorAt(nowMs: number): number {
    return this.#errorMs + (nowMs - this.#measuredAtMs) * DRIFT;
  }
}
