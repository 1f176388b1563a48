import { describe, expect, test } from "bun:test";

import { createToken } from "../../../broker/auth/create-token.ts";
import { answered, refusal } from "../../support/http-answer.ts";
import { HttpBroker } from "../../support/http-broker.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";

const SECRET = "a secret of at least thirty-two bytes";
const API_KEY = "0123456789abcdef";
const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describe("publish", () => {
  test("reaches subscribers and answers the place in the stream", async () => {
    await using http = await HttpBroker.start();
    await using client = await ProtocolClient.connect(http.url);
    const { epoch } = await client.subscribe("news.a");
    const text = await answered(http.post("/v1/publish", { channel: "news.a", payload: "hällo" }));
    expect(text).toEqual({ status: 200, body: { offset: 1, epoch } });
    await http.post("/v1/publish", { channel: "news.a", payload: { b64: "/wA=" } });
    await http.post("/v1/publish", { channel: "news.a", json: { a: [1, null] } });
    await http.post("/v1/publish", { channel: "news.a", json: null });
    await http.post("/v1/publish", { channel: "news.a", payload: "" });
    await client.untilPublications(5);
    expect(
      client.publications.map(({ payload }) => Buffer.from(payload).toString("latin1")),
    ).toEqual([
      Buffer.from("hällo").toString("latin1"),
      "\u00ff\u0000",
      '{"a":[1,null]}',
      "null",
      "",
    ]);
    expect(client.publications.every(({ meta }) => meta === null)).toBe(true);
  });

  test("carries key, headers and trace context; an id is published once", async () => {
    await using http = await HttpBroker.start();
    await using client = await ProtocolClient.connect(http.url);
    await client.subscribe("a");
    // As long as each may be.
    const key = "k".repeat(256);
    const value = "v".repeat(1024);
    const publication = { channel: "a", payload: "x", id: "p1", key, headers: { h: value } };
    const headers = { traceparent: TRACEPARENT, tracestate: "a=b" };
    const first = await answered(http.post("/v1/publish", publication, headers));
    const again = await answered(http.post("/v1/publish", publication, headers));
    expect(again).toEqual(first);
    await http.post("/v1/publish", { channel: "a", payload: "end" });
    await client.untilPublications(2);
    expect(client.publications[0]?.meta).toMatchObject({
      id: "p1",
      key,
      headers: new Map([["h", value]]),
      // Programs on this machine are trusted: the broker goes on with their trace.
      traceparent: expect.stringContaining(TRACEPARENT.slice(0, 36)),
      tracestate: expect.stringMatching(/^tickwire=upstream;t:[0-9a-z]+,a=b$/),
      user: null,
    });
    expect(client.texts()).toEqual(["x", "end"]);
  });

  test("says which user published, and nobody can say it of himself", async () => {
    await using http = await HttpBroker.start({ tokenSecret: SECRET, apiKeys: [API_KEY] });
    const token = await createToken({ sub: "ann", expS: 60, publish: ["a"], key: SECRET });
    const authorization = `Bearer ${token}`;
    await http.post("/v1/publish", { channel: "a", payload: "x", key: "k" }, { authorization });
    const forged = { channel: "a", payload: "x", key: "k", user: "root" };
    expect(await answered(http.post("/v1/publish", forged, { authorization }))).toEqual(
      refusal(400, "bad_field"),
    );
    const { publications } = await http.broker.api.history("a", { limit: 10, since: null });
    expect(publications.map(({ meta }) => meta?.user)).toEqual(["ann"]);
  });

  test("a malformed trace context is left out", async () => {
    await using http = await HttpBroker.start();
    for (const traceparent of [
      "x",
      `${TRACEPARENT}x`,
      TRACEPARENT.toUpperCase(),
      "a".repeat(9000),
    ]) {
      const answer = await http.post(
        "/v1/publish",
        { channel: "a", payload: "x" },
        { traceparent },
      );
      expect(answer.status).toBe(200);
    }
    await http.post(
      "/v1/publish",
      { channel: "a", payload: "x" },
      { traceparent: TRACEPARENT, tracestate: "x".repeat(600) },
    );
    const { publications } = await http.broker.api.history("a", { limit: 10, since: null });
    expect(publications.map(({ meta }) => meta?.traceparent)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      expect.stringContaining(TRACEPARENT.slice(0, 36)),
    ]);
    expect(publications.at(-1)?.meta?.tracestate).toMatch(/^tickwire=upstream;t:[0-9a-z]+$/);
  });

  const many = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`h${i}`, ""]));
  test.each<[string, unknown, number, string]>([
    ["no channel", { payload: "x" }, 400, "bad_channel"],
    ["a pattern for a channel", { channel: "a.*", payload: "x" }, 400, "bad_channel"],
    ["control characters in the channel", { channel: "a\r\nb", payload: "x" }, 400, "bad_channel"],
    ["a channel that is none", { channel: 5, payload: "x" }, 400, "bad_channel"],
    ["a channel of the system", { channel: "$sys", payload: "x" }, 400, "bad_channel"],
    ["no payload", { channel: "a" }, 400, "bad_field"],
    ["two payloads", { channel: "a", payload: "x", json: 1 }, 400, "bad_field"],
    ["a payload that is a number", { channel: "a", payload: 5 }, 400, "bad_field"],
    ["base64 that is none", { channel: "a", payload: { b64: "?" } }, 400, "bad_field"],
    ["base64 and more", { channel: "a", payload: { b64: "", x: 1 } }, 400, "bad_field"],
    ["an unknown field", { channel: "a", payload: "x", chanel: "b" }, 400, "bad_field"],
    [
      "a prototype for a field",
      JSON.parse('{"channel":"a","payload":"x","__proto__":{}}'),
      400,
      "bad_field",
    ],
    ["an empty id", { channel: "a", payload: "x", id: "" }, 400, "bad_field"],
    ["a long id", { channel: "a", payload: "x", id: "x".repeat(257) }, 400, "bad_field"],
    ["a key that is no text", { channel: "a", payload: "x", key: 5 }, 400, "bad_field"],
    ["headers that are a list", { channel: "a", payload: "x", headers: [] }, 400, "bad_field"],
    [
      "a header that is no text",
      { channel: "a", payload: "x", headers: { h: 1 } },
      400,
      "bad_field",
    ],
    [
      "a header without a name",
      { channel: "a", payload: "x", headers: { "": "v" } },
      400,
      "bad_field",
    ],
    [
      "a long header",
      { channel: "a", payload: "x", headers: { h: "v".repeat(1025) } },
      400,
      "bad_field",
    ],
    ["many headers", { channel: "a", payload: "x", headers: many }, 400, "bad_field"],
    ["a payload over the limit", { channel: "a", payload: "x".repeat(64_513) }, 413, "too_large"],
    ["no object", [], 400, "bad_field"],
    ["null", null, 400, "bad_field"],
  ])("refuses %s", async (_name, body, status, name) => {
    await using http = await HttpBroker.start();
    expect(await answered(http.post("/v1/publish", body))).toEqual(refusal(status, name));
    expect(http.broker.api.stats.publications).toBe(0);
    expect(http.logger.entries).toEqual([]);
  });
});

describe("batch", () => {
  test("keeps the order, and one failure does not stop the rest", async () => {
    await using http = await HttpBroker.start();
    const publications = [
      { channel: "a", payload: "1" },
      { channel: "a b", payload: "2" },
      { channel: "a", payload: "x".repeat(65_000) },
      7,
      { channel: "a", payload: "3", id: "same" },
      { channel: "b", json: 4 },
      { channel: "a", payload: "5", id: "same" },
    ];
    const { status, body } = await answered(http.post("/v1/batch", { publications }));
    const a = await http.broker.api.history("a", { limit: 10, since: null });
    const b = await http.broker.api.history("b", { limit: 10, since: null });
    expect(status).toBe(200);
    expect(body).toEqual({
      results: [
        { offset: 1, epoch: a.epoch },
        { error: expect.objectContaining({ code: 4007, name: "bad_channel" }) },
        { error: expect.objectContaining({ code: 4013, name: "too_large" }) },
        { error: expect.objectContaining({ code: 4009, name: "bad_field" }) },
        { offset: 2, epoch: a.epoch },
        { offset: 1, epoch: b.epoch },
        { offset: 2, epoch: a.epoch },
      ],
    });
    expect(a.publications.map(({ payload }) => new TextDecoder().decode(payload))).toEqual([
      "1",
      "3",
    ]);
  });

  test("a thousand in order, and not one more", async () => {
    await using http = await HttpBroker.start({ historySize: 1000 });
    const publications = Array.from({ length: 1000 }, (_, i) => ({ channel: "a", json: i }));
    const { body } = await answered(http.post("/v1/batch", { publications }));
    const { results } = body as { results: { offset: number }[] };
    expect(results.map(({ offset }) => offset)).toEqual(publications.map((_, i) => i + 1));
    const history = await http.broker.api.history("a", { limit: 1000, since: null });
    expect(
      history.publications.map(({ payload }) => Number(new TextDecoder().decode(payload))),
    ).toEqual(publications.map((_, i) => i));
    publications.push({ channel: "a", json: 1000 });
    expect(await answered(http.post("/v1/batch", { publications }))).toEqual(
      refusal(400, "bad_field"),
    );
    expect(await answered(http.post("/v1/batch", { publications: [] }))).toEqual(
      refusal(400, "bad_field"),
    );
  });

  test("each publication needs its own grant", async () => {
    await using http = await HttpBroker.start({ tokenSecret: SECRET });
    const token = await createToken({ sub: "ann", expS: 60, publish: ["a"], key: SECRET });
    const publications = ["a", "b", "a"].map((channel) => ({ channel, payload: "x" }));
    const { body } = await answered(
      http.post("/v1/batch", { publications }, { authorization: `Bearer ${token}` }),
    );
    expect(body).toEqual({
      results: [
        expect.objectContaining({ offset: 1 }),
        { error: expect.objectContaining({ name: "forbidden" }) },
        expect.objectContaining({ offset: 2 }),
      ],
    });
  });
});
