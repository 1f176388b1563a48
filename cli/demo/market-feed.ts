import type { Feed, FeedItem } from "./feed.ts";

interface Instrument {
  readonly symbol: string;
  /** Digits after the point. */
  readonly digits: number;
  /** Share of the quotes. */
  readonly weight: number;
  price: number;
}

/** Typical move of a price from one quote to the next, as a share of it. */
const STEP = 0.00004;
/** Half the distance of bid and ask, as a share of the price. */
const HALF_SPREAD = 0.00005;
/** Quiet and busy times follow one another: mean length, ms, and how much more comes in the latter. */
const QUIET_MS = 2500;
const BURST_MS = 350;
const BURST_FACTOR = 6;

const encoder = new TextEncoder();

/** Quotes of several instruments: random walks, with bursts as markets have them. The same seed, the same feed. */
export class MarketFeed implements Feed {
  readonly channels: readonly string[];
  readonly description: string;
  readonly #random: () => number;
  readonly #quietPerMs: number;
  readonly #instruments: readonly Instrument[] = [
    { symbol: "btc", digits: 1, weight: 0.3, price: 97_250 },
    { symbol: "eth", digits: 2, weight: 0.22, price: 3380 },
    { symbol: "xrp", digits: 4, weight: 0.16, price: 1.4512 },
    { symbol: "sol", digits: 2, weight: 0.12, price: 255.4 },
    { symbol: "eurusd", digits: 5, weight: 0.09, price: 1.05412 },
    { symbol: "usdjpy", digits: 3, weight: 0.06, price: 154.782 },
    { symbol: "gold", digits: 2, weight: 0.05, price: 2651.3 },
  ];
  #dueMs = 0;
  #isBurst = false;
  #phaseEndMs = 0;
  #sequence = 0;

  /** @param perSecond quotes a second, on average */
  constructor(seed: number, perSecond: number) {
    this.#random = mulberry32(seed);
    const cycleMs = QUIET_MS + BURST_MS;
    this.#quietPerMs = ((perSecond / 1000) * cycleMs) / (QUIET_MS + BURST_MS * BURST_FACTOR);
    this.channels = this.#instruments.map(({ symbol }) => `market.${symbol}`);
    this.description = `made-up quotes of ${this.#instruments.length} instruments, seed ${seed}`;
  }

  next(): FeedItem {
    this.#advance();
    const instrument = this.#pick();
    const { symbol, digits } = instrument;
    // The sum of three uniform numbers is near enough to a normal one.
    const move = this.#random() + this.#random() + this.#random() - 1.5;
    instrument.price *= 1 + STEP * move;
    const bid = (instrument.price * (1 - HALF_SPREAD)).toFixed(digits);
    const ask = (instrument.price * (1 + HALF_SPREAD)).toFixed(digits);
    const size = Math.ceil(this.#random() ** 3 * 500) / 10;
    const text = `{"symbol":"${symbol}","seq":${++this.#sequence},"bid":${bid},"ask":${ask},"size":${size}}`;
    return { channel: `market.${symbol}`, payload: encoder.encode(text), dueMs: this.#dueMs };
  }

  /** Moves on to when the next quote is due: exponential gaps, shorter in a burst. */
  #advance(): void {
    const perMs = this.#quietPerMs * (this.#isBurst ? BURST_FACTOR : 1);
    this.#dueMs += -Math.log(1 - this.#random()) / perMs;
    if (this.#dueMs < this.#phaseEndMs) return;
    this.#isBurst = !this.#isBurst;
    const meanMs = this.#isBurst ? BURST_MS : QUIET_MS;
    this.#phaseEndMs = this.#dueMs + meanMs * (0.5 + this.#random());
  }

  #pick(): Instrument {
    let left = this.#random();
    for (const instrument of this.#instruments) {
      left -= instrument.weight;
      if (left <= 0) return instrument;
    }
    return this.#instruments[0] as Instrument;
  }
}

/** Numbers from 0 up to 1 that look random and are the same for the same seed. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}
