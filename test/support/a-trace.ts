import type { DeliveryTrace } from "../../broker/tracing/delivery-trace.ts";

/** A trace in which nothing has happened but what is given. */
export function aTrace(more: Partial<DeliveryTrace> = {}): DeliveryTrace {
  return {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    parent: null,
    link: null,
    reason: "head",
    node: "n",
    publication: {
      channel: "a",
      namespace: ">",
      epoch: "e",
      offset: 1,
      id: null,
      payloadBytes: 1,
      publisher: null,
    },
    ingest: null,
    origin: null,
    transform: null,
    busSend: null,
    busReceive: null,
    fanOut: null,
    deliveries: [],
    ...more,
  };
}
