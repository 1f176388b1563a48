import type { Clock } from "../../broker/ports.ts";

/** Time that passes only when a test says so; both clocks advance together. */
export class VirtualClock implements Clock {
  #elapsedMs = 0;
  readonly #startWallMs: number;

  /** @param startWallMs wall clock at the beginning; a whole second, as tokens count in seconds */
  constructor(startWallMs = 1_800_000_000_000) {
    this.#startWallMs = startWallMs;
  }

  nowMs(): number {
    return this.#elapsedMs;
  }

  wallMs(): number {
    return this.#startWallMs + this.#elapsedMs;
  }

  advance(ms: number): void {
    this.#elapsedMs += ms;
  }
}
