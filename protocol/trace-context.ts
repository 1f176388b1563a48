/** W3C Trace Context as it travels in meta [P-6.9] and in HTTP headers. */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** Bit 0: sampled. */
  readonly flags: number;
  /** `tracestate`, passed on as it is. */
  readonly state: string | null;
}

export const SAMPLED_FLAG = 1;

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);

/** Null for what is no trace context: whoever sent it made a mistake that is nobody else's. */
export function parseTraceparent(text: string, state: string | null = null): TraceContext | null {
  const match = TRACEPARENT.exec(text);
  if (match === null) return null;
  const [, version = "", traceId = "", spanId = "", flags = "", rest] = match;
  // Version ff is not one, and version 00 has nothing behind the flags.
  if (version === "ff" || (version === "00" && rest !== undefined)) return null;
  if (traceId === NO_TRACE || spanId === NO_SPAN) return null;
  return { traceId, spanId, flags: Number.parseInt(flags, 16), state };
}

export function formatTraceparent({ traceId, spanId, flags }: Omit<TraceContext, "state">): string {
  return `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, "0")}`;
}
