import { describe, expect, test } from "bun:test";

import { encodeMeta } from "../../../broker/meta.ts";
import { decodeMeta, metaWithTrace, readTrace } from "../../../broker/tracing/publish-trace.ts";
import { linkedTraceId } from "../../../broker/tracing/trace-id.ts";
import { formatMember } from "../../../broker/tracing/trace-member.ts";
import { EMPTY_META } from "../../../protocol/messages/meta.ts";
import { spanIdOf } from "../../../protocol/span-id.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const FOREIGN = `00-${TRACE}-b7ad6b7169203331-01`;
const RECEIVED_MS = 1_800_000_000_000.25;
const trace = {
  traceId: TRACE,
  reason: "debug",
  state: null,
  receivedMs: RECEIVED_MS,
  clientSentMs: 0,
  transform: null,
} as const;
const MEMBER = formatMember("debug", RECEIVED_MS);

function stateOf(state: string): string {
  return (
    decodeMeta(metaWithTrace(null, { ...trace, state }, "n", 1) as Uint8Array).tracestate ?? ""
  );
}

describe("the meta of a traced publication", () => {
  test("says on the next node which trace it is of, and why", () => {
    const meta = metaWithTrace(null, trace, "n_pub", 1000) as Uint8Array;
    expect(readTrace(meta, "a", "n_pub")).toEqual({
      traceId: TRACE,
      reason: "debug",
      link: null,
      id: null,
      origin: {
        spanId: spanIdOf(TRACE, "ingest", "n_pub"),
        receivedMs: RECEIVED_MS,
        clientSentMs: 0,
        txQueueMs: 0,
        txRunMs: 0,
      },
    });
    // From history, which does not tell who sent it, it can be read as well.
    expect(readTrace(meta, "a", "")).toEqual(readTrace(meta, "a", "n_pub"));
  });

  test("says when its client published it", () => {
    const told = { ...trace, clientSentMs: RECEIVED_MS - 40.5 };
    const meta = metaWithTrace(null, told, "n_pub", 1000) as Uint8Array;
    expect(readTrace(meta, "a", "n_pub")?.origin).toMatchObject({
      receivedMs: RECEIVED_MS,
      clientSentMs: RECEIVED_MS - 40.5,
    });
  });

  test("keeps what it had", () => {
    const own = { ...EMPTY_META, id: "p", key: "k", headers: new Map([["h", "v"]]) };
    const meta = metaWithTrace(encodeMeta(own, 77, "ann"), trace, "n", 1000) as Uint8Array;
    expect(decodeMeta(meta)).toMatchObject({ id: "p", key: "k", timeMs: 77, user: "ann" });
    expect(decodeMeta(meta).headers?.get("h")).toBe("v");
  });

  test("puts our member first, once, and drops others' rather than be too long", () => {
    expect(stateOf("a=1, tickwire=head,b=2,,")).toBe(`${MEMBER},a=1,b=2`);
    expect(stateOf(`${formatMember("head", 5)},a=1`)).toBe(`${MEMBER},a=1`);
    expect(stateOf(`a=${"x".repeat(505)}`)).toBe(MEMBER);
    expect(
      stateOf(Array.from({ length: 40 }, (_, i) => `v${i}=1`).join(",")).split(",").length,
    ).toBe(32);
  });

  test("with a foreign context is of a trace of its own, that links to it", () => {
    const meta = encodeMeta({ ...EMPTY_META, traceparent: FOREIGN }, 5000, null);
    const read = readTrace(meta, "a", "n_pub");
    const context = { traceId: TRACE, spanId: "b7ad6b7169203331" };
    expect(read).toMatchObject({ traceId: linkedTraceId("a", context, 5000), link: context });
    expect(read?.traceId).not.toBe(TRACE);
    // When it came in follows from what the broker says to subscribers; history does not tell who took it in.
    const spanId = spanIdOf(read?.traceId ?? "", "ingest", "n_pub");
    const untold = { clientSentMs: 0, txQueueMs: 0, txRunMs: 0 };
    expect(read?.origin).toEqual({ spanId, receivedMs: 5000, ...untold });
    const fromHistory = readTrace(meta, "a", "");
    expect(fromHistory).toMatchObject({ traceId: read?.traceId, origin: { spanId: null } });
  });

  test("without a context that can be read is of none", () => {
    expect(readTrace(encodeMeta(EMPTY_META, 1, null), "a", "n")).toBeNull();
    const bad = encodeMeta({ ...EMPTY_META, traceparent: "00-1-2-3" }, 1, null);
    expect(readTrace(bad, "a", "n")).toBeNull();
  });
});
