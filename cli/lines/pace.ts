/** When the lines of a feed are to be published. */
export interface Pace {
  /** When this line is due, ms since the first; lines are asked about in order. */
  dueMs(line: Uint8Array): number;
}

/** As fast as it goes. */
export const noPace: Pace = { dueMs: () => 0 };

/** Evenly, so many a second. */
export class RatePace implements Pace {
  readonly #perSecond: number;
  #index = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  dueMs(): number {
    return (this.#index++ * 1000) / this.#perSecond;
  }
}

/** Reads a line's own time, ms; null when it has none. */
export type LineTime = (line: Uint8Array) => number | null;

/**
 * With the gaps the feed was recorded with. A line without a time goes with the one before it, and time never
 * goes back: a feed that does is played on from there.
 */
export class RecordedPace implements Pace {
  readonly #timeOf: LineTime;
  readonly #speed: number;
  #lastMs: number | null = null;
  #dueMs = 0;

  /** @param speed 2 plays twice as fast */
  constructor(timeOf: LineTime, speed: number) {
    this.#timeOf = timeOf;
    this.#speed = speed;
  }

  /** Whether any line so far had a time. */
  get hasTimes(): boolean {
    return this.#lastMs !== null;
  }

  dueMs(line: Uint8Array): number {
    const timeMs = this.#timeOf(line);
    if (timeMs === null) return this.#dueMs;
    this.#dueMs += Math.max(0, timeMs - (this.#lastMs ?? timeMs)) / this.#speed;
    this.#lastMs = timeMs;
    return this.#dueMs;
  }
}

/** Reads a numeric field of JSON lines; `data.ts` is the field `ts` of the field `data`. */
export function jsonFieldTime(path: string): LineTime {
  const names = path.split(".");
  return (line) => {
    let value: unknown;
    try {
      value = JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString());
    } catch {
      return null; // Not JSON, so without a time.
    }
    for (const name of names) {
      if (typeof value !== "object" || value === null) return null;
      value = (value as Record<string, unknown>)[name];
    }
    const timeMs = typeof value === "string" && value !== "" ? Number(value) : value;
    return typeof timeMs === "number" && Number.isFinite(timeMs) ? timeMs : null;
  };
}
