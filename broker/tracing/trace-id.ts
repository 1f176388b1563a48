import { createHash, randomBytes } from "node:crypto";

/** A fresh trace id; W3C's random flag may be set for it. */
export function randomTraceId(): string {
  return nonZero(randomBytes(16).toString("hex"));
}

/**
 * The trace id of a publication that nobody gave one when it came in: every node derives the same from its
 * place in its stream.
 */
export function placeTraceId(epoch: string, channel: string, offset: number): string {
  return derive(`place ${epoch} ${channel} ${offset}`);
}

/** The same where there are no common offsets: from the message that brought it to the nodes. */
export function messageTraceId(
  channel: string,
  producer: string,
  sentMs: number,
  index: number,
): string {
  return derive(`message ${channel} ${producer} ${sentMs} ${index}`);
}

function derive(text: string): string {
  return nonZero(createHash("sha256").update(text).digest("hex").slice(0, 32));
}

/** All zeros means "none" in W3C Trace Context. */
function nonZero(id: string): string {
  return /^0+$/.test(id) ? "1".padStart(id.length, "0") : id;
}

/** Of a publication whose publisher gave a context that is not trusted, and that is on its way with it. */
export function linkedTraceId(
  channel: string,
  { traceId, spanId }: { readonly traceId: string; readonly spanId: string },
  timeMs: number,
): string {
  return derive(`linked ${channel} ${traceId} ${spanId} ${timeMs}`);
}
