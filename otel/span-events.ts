import { Attribute } from "./attributes.ts";
import type { FanOutAnomaly } from "./delivery-trace.ts";
import type { SpanEventRecord } from "./span-record.ts";

/** A fault of a transform, as OpenTelemetry writes exceptions. */
export function faultEvent(
  fault: { readonly type: string; readonly message: string },
  atMs: number,
): SpanEventRecord {
  const attributes = {
    [Attribute.exceptionType]: fault.type,
    [Attribute.exceptionMessage]: fault.message,
  };
  return { name: "exception", atMs, attributes };
}

/** A subscriber whose socket did not take the publication at once. */
export function anomalyEvent({
  atMs,
  connection,
  outcome,
  queuedBytes,
}: FanOutAnomaly): SpanEventRecord {
  const attributes = {
    [Attribute.clientId]: connection,
    [Attribute.outcome]: outcome === "queued" ? "queued" : "dropped",
    [Attribute.queuedBytes]: queuedBytes,
    ...(outcome === "queued" ? {} : { [Attribute.dropReason]: outcome }),
  };
  return { name: outcome === "queued" ? "queued" : "dropped", atMs, attributes };
}
