import type { PublicationMeta } from "../protocol/messages/meta.ts";

/** What a publication carries beside its payload. */
export interface PublishOptions {
  /**
   * Idempotency key, at most 256 bytes: the same id on the same channel is published once within the
   * broker's window, and publishing is repeated after a lost connection.
   */
  readonly id?: string;
  /** Conflation key, at most 256 bytes: subscribers that want only the newest per key get that. */
  readonly key?: string;
  /** At most 16; names up to 64 bytes, values up to 1024. */
  readonly headers?: Readonly<Record<string, string>>;
  /** W3C trace context. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  /** When it was published, on the broker's clock (`serverTimeMs`): where it is traced, its trace begins then. */
  readonly timeMs?: number;
}

/** The meta field for these options; null when they say nothing, for the plain frame. */
export function publicationMeta(options: PublishOptions | undefined): PublicationMeta | null {
  if (options === undefined) return null;
  const {
    id = null,
    key = null,
    headers,
    traceparent = null,
    tracestate = null,
    timeMs = null,
  } = options;
  if ((id ?? key ?? headers ?? traceparent ?? timeMs) === null) return null;
  return {
    id,
    key,
    headers: headers ? new Map(Object.entries(headers)) : null,
    traceparent,
    tracestate,
    timeMs,
    user: null,
  };
}
