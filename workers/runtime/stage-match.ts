import type { TransformManifest } from "../boundary/worker-link.ts";
import { ChannelFilter } from "./channel-filter.ts";

/** `match` of a transform, for one stage of a pipeline. */
export class StageMatch {
  readonly #channels: ChannelFilter | null;
  readonly #minBytes: number;
  readonly #maxBytes: number;
  /** Whether every message matches. */
  readonly isAll: boolean;

  constructor({ channels, minBytes, maxBytes }: TransformManifest["match"]) {
    this.#channels = channels === null ? null : new ChannelFilter(channels);
    this.#minBytes = minBytes;
    this.#maxBytes = maxBytes;
    this.isAll = channels === null && minBytes <= 0 && maxBytes === Infinity;
  }

  matches(channel: string, payloadBytes: number): boolean {
    if (payloadBytes < this.#minBytes || payloadBytes > this.#maxBytes) return false;
    return this.#channels?.matches(channel) ?? true;
  }
}
