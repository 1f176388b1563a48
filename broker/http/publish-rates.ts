import { Code } from "../../protocol/codes.ts";
import { BrokerError } from "../api.ts";
import { Namespaces } from "../channels/namespace.ts";
import type { BrokerConfig } from "../config/config.ts";
import { LruMap } from "../lru-map.ts";
import type { Clock } from "../ports.ts";
import { RateLimit, takePublish } from "../rate-limit.ts";
import type { Stats } from "../stats.ts";
import type { Caller } from "./access.ts";

/** Callers remembered, some 300 bytes each; one that is forgotten begins with a full bucket. */
const MAX_CALLERS = 16_384;

type Rates = Pick<
  BrokerConfig,
  "publishRate" | "publishByteRate" | "apiPublishRate" | "namespaces"
>;

interface Limits {
  readonly count: RateLimit;
  readonly bytes: RateLimit;
}

/**
 * What callers may publish over HTTP. The user of a token has the rates of one connection, in all requests
 * together; API keys and admin tokens are servers and have a rate of their own.
 */
export class PublishRates {
  readonly #rates: Rates;
  readonly #clock: Clock;
  readonly #stats: Stats;
  readonly #namespaces: Namespaces;
  readonly #callers: LruMap<Limits>;

  constructor(rates: Rates, clock: Clock, stats: Stats, maxCallers = MAX_CALLERS) {
    this.#rates = rates;
    this.#clock = clock;
    this.#stats = stats;
    this.#namespaces = new Namespaces(rates.namespaces);
    this.#callers = new LruMap(maxCallers);
  }

  /** Counts a publication. @throws BrokerError too_many_requests; then nothing was counted */
  take({ isAdmin, account }: Caller, channel: string, payloadBytes: number): void {
    const { publishRate, publishByteRate, apiPublishRate } = this.#rates;
    const rate = isAdmin ? apiPublishRate : publishRate;
    const byteRate = isAdmin ? 0 : publishByteRate;
    if (rate === 0 && byteRate === 0) return;
    // Refused for its size anyway, and its bytes would be owed for longer than a client can know of.
    if (payloadBytes > this.#namespaces.resolve(channel).maxPayloadBytes) return;
    const nowMs = this.#clock.nowMs();
    // A user whose rights were changed has another bucket with them.
    const { count, bytes } = this.#callers.use(
      `${isAdmin ? "admin" : "client"} ${account}`,
      () => ({
        count: new RateLimit(rate, rate * 2, nowMs),
        bytes: new RateLimit(byteRate, byteRate * 2, nowMs),
      }),
    );
    const refusal = takePublish(count, bytes, payloadBytes, nowMs);
    if (refusal === null) return;
    const { reason, retryAfterMs } = refusal;
    this.#stats.rateRefused(isAdmin ? "api_publish_rate" : reason);
    throw new BrokerError(Code.tooManyRequests, undefined, { retryAfterMs });
  }
}
