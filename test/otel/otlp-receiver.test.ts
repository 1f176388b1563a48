import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";

import { JaegerQuery } from "../support/otlp/jaeger-query.ts";
import { OtlpReceiver } from "../support/otlp/otlp-receiver.ts";
import { encodeMessage } from "../support/otlp/schema.ts";

const TRACE_A = "0af7651916cd43dd8448eb211c80319c";
const TRACE_B = "4bf92f3577b34da6a3ce929d0e0e4736";
const NOW_MS = Date.now();

interface SpanParts {
  readonly traceId?: string;
  readonly spanId?: string;
  readonly name?: string;
  readonly kind?: number;
  /** ms from now. */
  readonly atMs?: number;
  readonly durationMs?: number;
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly parts?: object;
}

function keyValues(attributes: Readonly<Record<string, unknown>> = {}): object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value:
      typeof value === "number"
        ? { intValue: value }
        : typeof value === "boolean"
          ? { boolValue: value }
          : { stringValue: value },
  }));
}

function spanOf({ traceId = TRACE_A, spanId = "b7ad6b7169203331", ...rest }: SpanParts): object {
  const startNano = BigInt(NOW_MS + (rest.atMs ?? 0)) * 1_000_000n;
  const endNano = startNano + BigInt(Math.round((rest.durationMs ?? 1) * 1e6));
  return {
    traceId: Buffer.from(traceId, "hex"),
    spanId: Buffer.from(spanId, "hex"),
    name: rest.name ?? "work",
    kind: rest.kind ?? 1,
    startTimeUnixNano: String(startNano),
    endTimeUnixNano: String(endNano),
    attributes: keyValues(rest.attributes),
    ...rest.parts,
  };
}

function requestOf(spans: object[], resource: Readonly<Record<string, unknown>> = {}): Uint8Array {
  return encodeMessage("ExportTraceServiceRequest", {
    resourceSpans: [
      {
        resource: { attributes: keyValues({ "service.name": "shop", ...resource }) },
        scopeSpans: [{ scope: { name: "lib", version: "1" }, spans }],
      },
    ],
  });
}

function send(
  receiver: OtlpReceiver,
  body: Uint8Array | string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${receiver.url}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/x-protobuf", ...headers },
    body: typeof body === "string" ? body : new Uint8Array(body),
  });
}

/** What a search finds: the names of the spans of each trace. */
async function searched(
  receiver: OtlpReceiver,
  params: Readonly<Record<string, string>>,
): Promise<{ status: number; traces: string[][] }> {
  const all = {
    "query.startTimeMin": new Date(NOW_MS - 3_600_000).toISOString(),
    "query.startTimeMax": new Date(NOW_MS + 3_600_000).toISOString(),
    ...Object.fromEntries(Object.entries(params).map(([name, value]) => [`query.${name}`, value])),
  };
  const response = await fetch(`${receiver.url}/api/v3/traces?${new URLSearchParams(all)}`);
  if (!response.ok) return { status: response.status, traces: [] };
  const { result } = (await response.json()) as {
    result: { resourceSpans: { scopeSpans: { spans: { traceId: string; name: string }[] }[] }[] };
  };
  const spans = result.resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap((scope) => scope.spans),
  );
  const byTrace = Map.groupBy(spans, ({ traceId }) => traceId);
  return {
    status: 200,
    traces: [...byTrace.values()].map((ofTrace) => ofTrace.map(({ name }) => name)),
  };
}

describe("takes", () => {
  const parts = {
    parentSpanId: Buffer.from("00f067aa0ba902b7", "hex"),
    status: { code: 2, message: "no" },
    events: [{ timeUnixNano: "1", name: "e", attributes: keyValues({ k: "v" }) }],
    links: [
      { traceId: Buffer.from(TRACE_B, "hex"), spanId: Buffer.from("00f067aa0ba902b7", "hex") },
    ],
  };
  const span = spanOf({ kind: 2, durationMs: 1.5, attributes: { n: 7, b: true, s: "x" }, parts });

  async function found(receiver: OtlpReceiver) {
    const query = new JaegerQuery({ url: receiver.url, changed: () => receiver.changed() });
    return await query.trace(TRACE_A);
  }

  const wanted = [
    {
      service: "shop",
      name: "work",
      kind: "server",
      traceId: TRACE_A,
      spanId: "b7ad6b7169203331",
      parentSpanId: "00f067aa0ba902b7",
      startMs: NOW_MS,
      durationMs: 1.5,
      attributes: { n: 7, b: true, s: "x" },
      events: [{ name: "e", attributes: { k: "v" } }],
      links: [{ traceId: TRACE_B, spanId: "00f067aa0ba902b7" }],
      isError: true,
    },
  ];

  test("protobuf", async () => {
    await using receiver = new OtlpReceiver();
    const response = await send(receiver, requestOf([span]));
    expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([200, 0]);
    expect(await found(receiver)).toMatchObject(wanted);
  });

  test("protobuf in gzip", async () => {
    await using receiver = new OtlpReceiver();
    const bytes = gzipSync(requestOf([span]));
    expect((await send(receiver, bytes, { "content-encoding": "gzip" })).status).toBe(200);
    expect(await found(receiver)).toMatchObject(wanted);
    expect(receiver.exports).toMatchObject([{ path: "/v1/traces", encoding: "gzip" }]);
  });

  test("JSON, with ids in hex", async () => {
    await using receiver = new OtlpReceiver();
    const json = JSON.stringify({
      resourceSpans: [
        {
          resource: { attributes: keyValues({ "service.name": "shop" }) },
          scopeSpans: [
            {
              spans: [
                {
                  ...span,
                  traceId: TRACE_A,
                  spanId: "b7ad6b7169203331",
                  parentSpanId: "00f067aa0ba902b7",
                  links: [{ traceId: TRACE_B, spanId: "00f067aa0ba902b7" }],
                },
              ],
            },
          ],
        },
      ],
    });
    expect((await send(receiver, json, { "content-type": "application/json" })).status).toBe(200);
    expect(await found(receiver)).toMatchObject(wanted);
  });
});

describe("refuses with 400", () => {
  const cases: [string, Uint8Array, Record<string, string>][] = [
    ["what is not protobuf", new Uint8Array([0xff, 0xff, 0xff]), {}],
    ["a trace id that is too short", requestOf([spanOf({ traceId: "0af7" })]), {}],
    ["a trace id of zeros", requestOf([spanOf({ traceId: "0".repeat(32) })]), {}],
    ["a span id of zeros", requestOf([spanOf({ spanId: "0".repeat(16) })]), {}],
    ["a span that ends before it starts", requestOf([spanOf({ durationMs: -1 })]), {}],
    ["a type that is not OTLP's", requestOf([spanOf({})]), { "content-type": "text/plain" }],
  ];
  test.each(cases)("%s", async (_name, bytes, headers) => {
    await using receiver = new OtlpReceiver();
    expect((await send(receiver, bytes, headers)).status).toBe(400);
    expect([receiver.malformed.length, receiver.spans.length]).toEqual([1, 0]);
  });
});

async function filled(): Promise<OtlpReceiver> {
  const receiver = new OtlpReceiver();
  const fast = spanOf({
    name: "deliver a",
    durationMs: 5,
    attributes: { outcome: "delivered", bytes: 12, flag: true },
  });
  const slow = spanOf({
    spanId: "b7ad6b7169203332",
    name: "fanout a",
    durationMs: 900,
    attributes: { outcome: "late" },
  });
  await send(receiver, requestOf([fast, slow], { node: "n1" }));
  const failed = spanOf({
    traceId: TRACE_B,
    name: "deliver a",
    kind: 5,
    durationMs: 300,
    attributes: { outcome: "dropped" },
    parts: {
      status: { code: 2 },
      events: [{ timeUnixNano: "1", name: "e", attributes: keyValues({ reason: "slow" }) }],
      links: [
        {
          traceId: Buffer.from(TRACE_A, "hex"),
          spanId: Buffer.from("b7ad6b7169203331", "hex"),
          attributes: keyValues({ why: "batch" }),
        },
      ],
    },
  });
  await send(receiver, requestOf([failed], { node: "n2" }));
  return receiver;
}

/** The form of the query parameter. */
function tagsOf(of: Readonly<Record<string, string>>): string {
  return JSON.stringify(of);
}

describe("searches like Jaeger", () => {
  const A = ["deliver a", "fanout a"];
  const B = ["deliver a"];

  test.each([
    ["everything, the newest trace first", {}, [B, A]],
    ["by service", { serviceName: "shop" }, [B, A]],
    ["not by another service", { serviceName: "other" }, []],
    ["by operation", { operationName: "fanout a" }, [A]],
    ["by the least duration", { durationMin: "250ms" }, [B, A]],
    ["by the greatest duration", { durationMax: "100ms" }, [A]],
    [
      "by duration and operation of one span",
      { operationName: "deliver a", durationMin: "250ms" },
      [B],
    ],
    ["in other units", { durationMin: "0.25s", durationMax: "300000us" }, [B]],
    ["by attribute", { attributes: tagsOf({ outcome: "late" }) }, [A]],
    [
      "by attribute and duration of one span",
      { attributes: tagsOf({ outcome: "delivered" }), durationMin: "250ms" },
      [],
    ],
    ["by numbers and truths as text", { attributes: tagsOf({ bytes: "12", flag: "true" }) }, [A]],
    [
      "not by two attributes of different spans",
      { attributes: tagsOf({ bytes: "12", outcome: "late" }) },
      [],
    ],
    ["by an attribute of an event", { attributes: tagsOf({ reason: "slow" }) }, [B]],
    ["by an attribute of a link", { attributes: tagsOf({ why: "batch" }) }, [B]],
    ["by an attribute of the resource", { attributes: tagsOf({ node: "n1" }) }, [A]],
    [
      "by one that only the resource may have",
      { attributes: tagsOf({ "resource.node": "n2" }) },
      [B],
    ],
    [
      "not by a span's attribute as the resource's",
      { attributes: tagsOf({ "resource.outcome": "late" }) },
      [],
    ],
    ["by error", { attributes: tagsOf({ error: "true" }) }, [B]],
    ["not by the want of one: unset is not well", { attributes: tagsOf({ error: "false" }) }, []],
    ["by kind", { attributes: tagsOf({ "span.kind": "consumer" }) }, [B]],
    ["by scope", { attributes: tagsOf({ "scope.name": "lib" }) }, [B, A]],
    ["as deep as it is told", { searchDepth: "1" }, [B]],
  ] as [string, Record<string, string>, string[][]][])("%s", async (_name, params, traces) => {
    await using receiver = await filled();
    const status = traces.length === 0 ? 404 : 200;
    expect(await searched(receiver, params)).toEqual({ status, traces });
  });

  test("only within the times", async () => {
    await using receiver = await filled();
    const past = { startTimeMax: new Date(NOW_MS - 1000).toISOString() };
    expect((await searched(receiver, past)).status).toBe(404);
    // To the nanosecond, and with an offset.
    const exact = new Date(NOW_MS).toISOString().replace("Z", "000000+00:00");
    expect((await searched(receiver, { startTimeMin: exact })).status).toBe(200);
  });

  test.each([
    ["no times", { startTimeMin: "" }],
    ["a time that is none", { startTimeMin: "yesterday" }],
    ["a duration without its unit", { durationMin: "250" }],
    ["attributes that are no JSON", { attributes: "a=b" }],
    ["attributes that are no texts", { attributes: '{"bytes":12}' }],
    ["a depth that is no number", { searchDepth: "all" }],
  ])("and refuses %s", async (_name, params) => {
    await using receiver = await filled();
    expect((await searched(receiver, params)).status).toBe(400);
  });

  test("lists services and operations", async () => {
    await using receiver = await filled();
    const query = new JaegerQuery({ url: receiver.url, changed: () => receiver.changed() });
    expect(await query.services()).toEqual(["shop"]);
    expect((await query.operations("shop")).toSorted()).toEqual([
      "deliver a",
      "deliver a",
      "fanout a",
    ]);
    expect(await query.operations("shop", "consumer")).toEqual(["deliver a"]);
    expect(await query.operations("other")).toEqual([]);
  });

  test("has no trace of an id it never saw", async () => {
    await using receiver = await filled();
    const path = (id: string): string => `${receiver.url}/api/v3/traces/${id}`;
    expect((await fetch(path("1"))).status).toBe(404);
    expect((await fetch(path("xyz"))).status).toBe(400);
    expect((await fetch(path(TRACE_A.toUpperCase()))).status).toBe(200);
  });
});

test("answers as it is told to", async () => {
  await using receiver = new OtlpReceiver();
  receiver.behaviour = { type: "refuse", status: 503 };
  expect((await send(receiver, requestOf([spanOf({})]))).status).toBe(503);
  receiver.behaviour = { type: "hang" };
  const arrived = receiver.until(({ exports }) => exports.length === 2);
  const hanging = send(receiver, requestOf([spanOf({})])).catch(() => "cut");
  await arrived;
  expect(receiver.spans).toEqual([]);
  await receiver[Symbol.asyncDispose]();
  expect(await hanging).toSatisfy(
    (answer: unknown) => answer === "cut" || answer instanceof Response,
  );
});
