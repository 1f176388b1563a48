import type { DeliveryTrace } from "./delivery-trace.ts";

/** Deliveries of one trace that have a span of their own, whatever it is made from. */
export const MAX_DELIVERIES = 16;

/** How many spans a trace will have, without making them. */
export function countSpans(trace: DeliveryTrace): number {
  const { ingest, transform, busSend, busReceive, fanOut, deliveries } = trace;
  const single = [ingest, busSend, busReceive, fanOut].filter((part) => part !== null).length;
  const ofTransform = transform === null ? 0 : transform.startedMs === 0 ? 1 : 2;
  return single + ofTransform + Math.min(MAX_DELIVERIES, deliveries.length);
}
