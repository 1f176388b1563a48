import { describe, expect, test } from "bun:test";

import { EMPTY_META } from "../../../protocol/messages/meta.ts";
import { refusalOf, startObeying, stored } from "../../support/obeying-broker.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";

describe("emissions", () => {
  test("are stored before the publisher is acknowledged, and go through no transform", async () => {
    await using node = await startObeying();
    const { http } = node;
    await using client = await ProtocolClient.connect(http.url);
    await client.publish("t.a", "emit t.b=low,u.c=other");
    expect(await stored(client, "t.b")).toEqual(["low"]);
    expect(await stored(client, "u.c")).toEqual(["other"]);
    expect(await stored(client, "t.a")).toEqual(["emit t.b=low,u.c=other"]);
    expect(await client.publish("t.a", "only t.b=next")).toEqual({ offset: 0, epoch: "" });
    expect(await stored(client, "t.b")).toEqual(["low", "next"]);
  });

  test("carry who published and the trace, and nothing else of the publication", async () => {
    await using node = await startObeying();
    const { http } = node;
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await http.broker.api.publish("t.a", new TextEncoder().encode("emit u.b=x"), {
      user: "ann",
      traceparent,
      key: "k",
      headers: new Map([["h", "v"]]),
    });
    const { publications } = await http.broker.api.history("u.b", { limit: 1, since: null });
    expect(publications[0]?.meta).toEqual({
      ...EMPTY_META,
      user: "ann",
      timeMs: expect.any(Number) as number,
      // The trace goes on, by way of this broker.
      traceparent: expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-/) as string,
      tracestate: publications[0]?.meta?.tracestate ?? null,
    });
  });

  test.each([
    ["an invalid channel", "emit u.b=x,u.*=y"],
    ["a channel the binding does not allow", "emit u.b=x,secret=y"],
    ["too large a payload", `emit u.b=x,small.c=${"y".repeat(101)}`],
  ])("to %s are refused with all the publication made", async (_name, text) => {
    await using node = await startObeying({
      namespaces: [{ pattern: "small.>", maxPayloadBytes: 100 }],
    });
    const { http } = node;
    await using client = await ProtocolClient.connect(http.url);
    expect(await refusalOf(client.publish("t.a", text))).toMatchObject({ code: 4019 });
    expect(await refusalOf(client.publish("t.a", text.replace("emit", "only")))).toMatchObject({
      code: 4019,
    });
    expect(await stored(client, "t.a")).toEqual([]);
    expect(await stored(client, "u.b")).toEqual([]);
    expect(await stored(client, "secret")).toEqual([]);
  });
});

test("a payload that a transform made too large is a failure, by the channel's own bound", async () => {
  await using node = await startObeying({
    namespaces: [{ pattern: "t.small", maxPayloadBytes: 100 }],
  });
  const { http } = node;
  await using client = await ProtocolClient.connect(http.url);
  expect(await client.publish("t.small", "grow 100")).toMatchObject({ offset: 1 });
  const { code, message } = await refusalOf(client.publish("t.small", "grow 101"));
  expect(code).toBe(4019);
  expect(message).toContain("101 bytes");
  expect(await client.publish("t.a", "grow 101")).toMatchObject({ offset: 1 });
});

test("a dead letter has the original bytes and why, and the publisher's offset is 0", async () => {
  await using node = await startObeying();
  const { http } = node;
  await using client = await ProtocolClient.connect(http.url);
  expect(await client.publish("t.a", "dead letter", { id: "1" })).toEqual({ offset: 0, epoch: "" });
  // Published again, it is not stored again.
  expect(await client.publish("t.a", "dead letter", { id: "1" })).toEqual({ offset: 0, epoch: "" });
  const { publications } = await client.history("dead.t", 10);
  expect(publications).toHaveLength(1);
  const [letter] = publications;
  expect(new TextDecoder().decode(letter?.payload)).toBe("dead letter");
  expect(letter?.meta?.headers?.get("channel")).toBe("t.a");
  // Too long a header does not keep it from being stored.
  expect(letter?.meta?.headers?.get("long")).toMatch(/^x{1024}$/);
  expect(await stored(client, "t.a")).toEqual([]);
});

test("a publication id makes a publish safe to repeat: what it made is stored once", async () => {
  await using node = await startObeying();
  const { http, runner } = node;
  await using client = await ProtocolClient.connect(http.url);
  runner.hold();
  const text = "emit u.b=x,u.c=y";
  const first = [
    client.publish("t.a", text, { id: "1" }),
    client.publish("t.a", text, { id: "1" }),
  ];
  await client.ping();
  runner.release();
  const positions = await Promise.all(first);
  positions.push(await client.publish("t.a", text, { id: "1" }));
  expect(new Set(positions.map(({ offset }) => offset))).toEqual(new Set([1]));
  expect(await stored(client, "t.a")).toEqual([text]);
  expect(await stored(client, "u.b")).toEqual(["x"]);
  // The same id on another channel is another publication.
  await client.publish("t.other", text, { id: "1" });
  expect(await stored(client, "u.b")).toEqual(["x", "x"]);
  expect(await stored(client, "u.c")).toEqual(["y", "y"]);
});
