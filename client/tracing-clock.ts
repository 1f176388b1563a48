import { parseTraceparent, SAMPLED_FLAG } from "../protocol/trace-context.ts";
import type { TickwireClient } from "./client.ts";
import type { PublishOptions } from "./publish-options.ts";

/** The clock is asked for again when it was not for so long, ms: clocks drift apart. */
const ASK_AFTER_MS = 60_000;

/** Says with publications that are traced when they were published, on the broker's clock [P-6.9]. */
export class PublishClock {
  readonly #client: Pick<TickwireClient, "connection" | "serverTimeMs" | "ping">;
  /** Connection that was asked last, and when, and the one that has answered. */
  #asked: string | null = null;
  #askedAtMs = 0;
  #answered: string | null = null;

  constructor(client: Pick<TickwireClient, "connection" | "serverTimeMs" | "ping">) {
    this.#client = client;
  }

  /** The same options, and the time where they carry a sampled context, the clock is known, and none is given. */
  stamped(options: PublishOptions): PublishOptions {
    const { traceparent, timeMs } = options;
    if (traceparent === undefined || timeMs !== undefined) return options;
    const context = parseTraceparent(traceparent);
    if (context === null || (context.flags & SAMPLED_FLAG) === 0) return options;
    const nowMs = this.#nowMs();
    return nowMs === null ? options : { ...options, timeMs: nowMs };
  }

  /**
   * Null until a ping was answered on this connection, which is sent when a time is wanted first. The reply to connect
   * tells the time as well, but may have waited for a token to be verified.
   */
  #nowMs(): number | null {
    const { connection, serverTimeMs } = this.#client;
    if (connection === null) return null;
    const nowMs = performance.now();
    if (connection !== this.#asked || nowMs - this.#askedAtMs > ASK_AFTER_MS) {
      this.#asked = connection;
      this.#askedAtMs = nowMs;
      this.#client.ping().then(
        () => {
          this.#answered = connection;
        },
        () => {
          // The next publication asks again.
          this.#asked = null;
        },
      );
    }
    return this.#answered === connection ? serverTimeMs : null;
  }
}
