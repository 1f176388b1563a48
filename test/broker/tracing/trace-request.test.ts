import { expect, test } from "bun:test";

import {
  readControlMessage,
  writeControlMessage,
} from "../../../broker/engine/redis/control-message.ts";
import { readTraceRequest } from "../../../broker/tracing/trace-request.ts";

const request = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  reason: "slow",
  channel: "a",
  namespace: ">",
  epoch: "e",
  offset: 7,
  payloadBytes: 3,
  partition: 1,
  openedMs: 1000.5,
  sentMs: 1001.25,
} as const;

test("a request for another node's part goes over the control channel as it is", () => {
  const bytes = Buffer.from(writeControlMessage({ type: "trace", request }));
  expect(readControlMessage(bytes)).toEqual({ type: "trace", request });
});

test.each([
  null,
  "x",
  {},
  { ...request, traceId: "short" },
  { ...request, traceId: "0AF7651916CD43DD8448EB211C80319C" },
  { ...request, reason: "curiosity" },
  { ...request, channel: 5 },
  { ...request, offset: "7" },
  { ...request, sentMs: null },
])("what is none of ours is not taken: %j", (value) => {
  expect(readTraceRequest(value)).toBeNull();
});
