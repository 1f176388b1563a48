import { describe, expect, test } from "bun:test";

import { createToken } from "../../../broker/auth/create-token.ts";
import { answered, refusal } from "../../support/http-answer.ts";
import { HttpBroker } from "../../support/http-broker.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";

const SECRET = "a secret of at least thirty-two bytes";
const API_KEY = "0123456789abcdef";

describe("connections", () => {
  test("are listed with who they are, and closed by user or by id", async () => {
    await using http = await HttpBroker.start({
      tokenSecret: SECRET,
      apiKeys: [API_KEY],
      node: "n1",
    });
    const key = { "x-api-key": API_KEY };
    const token = (sub: string): Promise<string> =>
      createToken({ sub, expS: 60, subscribe: ["a"], key: SECRET });
    await using ann = await ProtocolClient.connect(http.url, {
      token: await token("ann"),
      name: "test",
    });
    await using bob1 = await ProtocolClient.connect(http.url, {
      token: await token("bob"),
      format: "json",
    });
    await using bob2 = await ProtocolClient.connect(http.url, { token: await token("bob") });
    await ann.subscribe("a");
    const list = async (
      query = "",
    ): Promise<{ connections: Record<string, unknown>[]; next: unknown }> =>
      (await answered(http.fetch(`/v1/connections${query}`, { headers: key }))).body as never;
    expect((await list()).connections).toHaveLength(3);
    expect((await list("?user=ann")).connections).toEqual([
      {
        connection: expect.any(String),
        user: "ann",
        node: "n1",
        sinceMs: expect.any(Number),
        address: "127.0.0.1",
        client: "test",
        format: "msgpack",
        subscriptions: 1,
        queuedBytes: 0,
      },
    ]);
    const first = await list("?limit=2");
    const rest = await list(`?limit=2&after=${String(first.next)}`);
    expect([first.connections.length, rest.connections.length, rest.next]).toEqual([2, 1, null]);

    const connection = (await list("?user=ann")).connections[0]?.["connection"];
    expect(await answered(http.post("/v1/disconnect", { connection }, key))).toEqual({
      status: 200,
      body: { closed: 1 },
    });
    expect((await ann.untilClosed()).code).toBe(4017);
    expect(await answered(http.post("/v1/disconnect", { user: "bob" }, key))).toEqual({
      status: 200,
      body: { closed: 2 },
    });
    expect([(await bob1.untilClosed()).code, (await bob2.untilClosed()).code]).toEqual([
      4017, 4017,
    ]);
    expect((await list()).connections).toEqual([]);
    expect(await answered(http.post("/v1/disconnect", { user: "bob" }, key))).toEqual({
      status: 200,
      body: { closed: 0 },
    });
  });

  test("of a revoked user are closed, and the token opens nothing any more", async () => {
    await using http = await HttpBroker.start({ tokenSecret: SECRET, apiKeys: [API_KEY] });
    const key = { "x-api-key": API_KEY };
    const nowMs = Date.now() - 5000;
    const ofUser = await createToken({ sub: "ann", expS: 60, publish: ["a"], key: SECRET, nowMs });
    const byId = await createToken({
      sub: "bob",
      expS: 60,
      publish: ["a"],
      jti: "t1",
      key: SECRET,
    });
    await using ann = await ProtocolClient.connect(http.url, { token: ofUser });
    await using bob = await ProtocolClient.connect(http.url, { token: byId });
    expect(await answered(http.post("/v1/revoke", { user: "ann" }, key))).toEqual({
      status: 200,
      body: { closed: 1 },
    });
    expect((await ann.untilClosed()).code).toBe(4012);
    expect(await answered(http.post("/v1/revoke", { tokenId: "t1" }, key))).toEqual({
      status: 200,
      body: { closed: 1 },
    });
    expect((await bob.untilClosed()).code).toBe(4012);
    for (const token of [ofUser, byId]) {
      const authorization = `Bearer ${token}`;
      const answer = http.post("/v1/publish", { channel: "a", payload: "x" }, { authorization });
      expect(await answered(answer)).toEqual(refusal(401, "revoked"));
    }
  });

  test.each(["/v1/disconnect", "/v1/revoke"])("%s needs exactly one target", async (path) => {
    await using http = await HttpBroker.start();
    const other = path === "/v1/revoke" ? "tokenId" : "connection";
    for (const body of [
      {},
      { user: "a", [other]: "b" },
      { user: "" },
      { user: 5 },
      { user: "x".repeat(257) },
      { user: null },
      { name: "a" },
    ]) {
      expect(await answered(http.post(path, body))).toEqual(refusal(400, "bad_field"));
    }
  });
});

describe("health", () => {
  test("is ready while it runs, and not while it drains", async () => {
    await using http = await HttpBroker.start({ node: "n1" });
    expect(await answered(http.fetch("/health"))).toEqual({
      status: 200,
      body: {
        isReady: true,
        status: "ok",
        node: "n1",
        engine: "memory",
        uptimeMs: expect.any(Number),
        connections: 0,
        shards: [],
        transforms: [],
      },
    });
    expect(await answered(http.fetch("/livez"))).toEqual({
      status: 200,
      body: { status: "alive" },
    });
  });

  test("metrics are in the text format of Prometheus", async () => {
    await using http = await HttpBroker.start();
    await http.post("/v1/publish", { channel: "a", payload: "abc" });
    const response = await http.fetch("/metrics");
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await response.text()).toContain("\ntickwire_publications_total 1\n");
  });
});
