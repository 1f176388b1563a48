import type { TickwireClient } from "../../client/index.ts";
import type { Feed } from "./feed.ts";
import { RateMeter } from "./latency.ts";
import type { SendLog } from "./send-log.ts";

/** Between looks at what is due, ms. */
const STEP_MS = 2;
/** In one step; what is due beyond that waits, so that a stopped machine does not answer with a flood. */
const MAX_PER_STEP = 2000;

/** Publishes a feed as it falls due. */
export class Player {
  readonly rate = new RateMeter();
  peakPerSecond = 0;
  /** The newest payload of each channel. */
  readonly latest = new Map<string, Uint8Array>();
  readonly #client: TickwireClient;
  readonly #feed: Feed;
  readonly #log: SendLog;
  #isStopped = false;

  constructor(client: TickwireClient, feed: Feed, log: SendLog) {
    this.#client = client;
    this.#feed = feed;
    this.#log = log;
  }

  /** Resolves after `stop`. */
  async play(): Promise<void> {
    const startMs = performance.now();
    let item = this.#feed.next();
    while (!this.#isStopped) {
      const nowMs = performance.now();
      for (let count = 0; item.dueMs <= nowMs - startMs && count < MAX_PER_STEP; count++) {
        const { channel, payload } = item;
        // Only what has been sent counts: offsets are derived from it.
        if (!this.#client.send(channel, payload)) break;
        this.#log.sent(channel, payload.length, performance.now());
        this.latest.set(channel, payload);
        this.rate.add(nowMs, 1);
        item = this.#feed.next();
      }
      if (nowMs - startMs > 1000) {
        this.peakPerSecond = Math.max(this.peakPerSecond, this.rate.perSecond(nowMs));
      }
      await Bun.sleep(STEP_MS);
    }
  }

  stop(): void {
    this.#isStopped = true;
  }
}
