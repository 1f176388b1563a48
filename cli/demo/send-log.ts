/** Publications of one channel whose time of sending is remembered. */
const MAX_TIMES = 1 << 17;

interface ChannelLog {
  count: number;
  readonly timesMs: Float64Array;
}

/**
 * When each publication was sent. The demo's broker is new and has one publisher, so that the n-th publication of
 * a channel has the offset n: nothing has to be added to what is published.
 */
export class SendLog {
  readonly #channels = new Map<string, ChannelLog>();
  count = 0;
  bytes = 0;

  sent(channel: string, bytes: number, nowMs: number): void {
    let log = this.#channels.get(channel);
    if (log === undefined) {
      log = { count: 0, timesMs: new Float64Array(MAX_TIMES) };
      this.#channels.set(channel, log);
    }
    log.timesMs[++log.count % MAX_TIMES] = nowMs;
    this.count++;
    this.bytes += bytes;
  }

  /** Publications sent on a channel. */
  countOf(channel: string): number {
    return this.#channels.get(channel)?.count ?? 0;
  }

  /** When the publication with this offset was sent; null when that has been forgotten. */
  timeOf(channel: string, offset: number): number | null {
    const log = this.#channels.get(channel);
    if (log === undefined || offset > log.count || offset <= log.count - MAX_TIMES) return null;
    return log.timesMs[offset % MAX_TIMES] as number;
  }
}
