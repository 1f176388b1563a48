import { describe, expect, test } from "bun:test";

import type { ConfigInput } from "../../broker/config/config.ts";
import type { BrokerOptions } from "../../broker/main.ts";
import { SUBPROTOCOL_MSGPACK, SUBPROTOCOL_TOKEN_PREFIX } from "../../protocol/version.ts";
import { startBroker } from "../support/broker.ts";
import type { TestBroker } from "../support/broker.ts";
import { ProtocolClient } from "../support/protocol-client.ts";
import { HandshakeRefused, RawWebSocket } from "../support/raw-websocket.ts";
import { rejection } from "../support/rejection.ts";
import { ALL, signToken, TOKEN_SECRET } from "../support/tokens.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

// Aim: an address whose credentials fail too often is refused before they are looked at, whichever way they come,
// and is let in again with time. Method: a broker whose clock stands still unless a test moves it.

const API_KEY = "0123456789abcdef";

function start(input: ConfigInput & BrokerOptions = {}): Promise<TestBroker> {
  return startBroker({ tokenSecret: TOKEN_SECRET, apiKeys: [API_KEY], ...input });
}

/** Tries a credential over HTTP; resolves to the status. */
async function request(node: TestBroker, headers: Record<string, string>): Promise<number> {
  const answer = await fetch(`${node.httpUrl}/v1/channels`, { headers });
  await answer.body?.cancel();
  return answer.status;
}

async function handshake(
  node: TestBroker,
  options: { headers?: Record<string, string>; subprotocols?: string[] },
): Promise<number> {
  try {
    (await RawWebSocket.connect(node.url, options)).destroy();
    return 101;
  } catch (error) {
    if (error instanceof HandshakeRefused) return error.status;
    throw error;
  }
}

/** The ways a credential comes to the broker, each telling how it was refused. */
const WAYS: Record<string, (node: TestBroker, credential: string) => Promise<number>> = {
  "the header of the handshake": (node, token) =>
    handshake(node, { headers: { Authorization: `Bearer ${token}` } }),
  "the subprotocols": (node, token) =>
    handshake(node, {
      subprotocols: [SUBPROTOCOL_MSGPACK, `${SUBPROTOCOL_TOKEN_PREFIX}${token}`],
    }),
  "the connect frame": async (node, token) => {
    await using client = await ProtocolClient.open(node.url);
    await rejection(client.connect(token));
    return (await client.untilClosed()).code;
  },
  "the connect frame in JSON": async (node, token) => {
    await using client = await ProtocolClient.open(node.url, { format: "json" });
    await rejection(client.connect(token));
    return (await client.untilClosed()).code;
  },
  "the Authorization header over HTTP": (node, token) =>
    request(node, { authorization: `Bearer ${token}` }),
  "the header of API keys": (node, key) => request(node, { "x-api-key": key }),
};

const isRefusedUnread = (status: number): boolean => status === 429 || status === 4103;
const isRefusedRead = (status: number): boolean => status === 401 || status === 4001;

for (const [way, attempt] of Object.entries(WAYS)) {
  test(`failures in ${way} count for all ways`, async () => {
    const clock = new VirtualClock();
    await using node = await start({ authFailureRate: 4, clock });
    for (let i = 0; i < 4; i++) expect(await attempt(node, "a.b.c")).toSatisfy(isRefusedRead);
    for (const [, other] of Object.entries(WAYS))
      expect(await other(node, "a.b.c")).toSatisfy(isRefusedUnread);
    const { stats } = node.broker.api;
    expect(stats.authFailuresByCode.get("unauthorized")).toBe(4);
    expect(stats.rateRefusalsByReason.get("auth_failures")).toBe(6);
    clock.advance(15_000);
    expect(await attempt(node, "a.b.c")).toSatisfy(isRefusedRead);
    expect(await attempt(node, "a.b.c")).toSatisfy(isRefusedUnread);
  });
}

describe("an address over the rate", () => {
  test("is told when to come again, in every form of answer", async () => {
    const clock = new VirtualClock();
    await using node = await start({ authFailureRate: 2, clock });
    for (let i = 0; i < 2; i++) await request(node, { "x-api-key": "wrong" });
    const authorization = "Bearer a.b.c";
    const upgrade = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      "sec-websocket-version": "13",
    };
    for (const headers of [{ authorization }, { authorization, ...upgrade }]) {
      const answer = await fetch(`${node.httpUrl}/v1/channels`, { headers });
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "30"]);
      const { error } = (await answer.json()) as { error: unknown };
      expect(error).toMatchObject({ code: 4103, name: "too_many_requests", retryAfterMs: 30_000 });
    }
    for (const format of ["msgpack", "json"] as const) {
      await using client = await ProtocolClient.open(node.url, { format });
      expect(await rejection(client.connect("a.b.c"))).toMatchObject({
        code: 4103,
        reply: { retryAfterMs: 30_000 },
      });
      expect((await client.untilClosed()).code).toBe(4103);
    }
  });

  test("keeps its connections and the tokens accepted lately; refresh is refused, and the connection stays", async () => {
    const clock = new VirtualClock();
    await using node = await start({ authFailureRate: 3, clock });
    const nowMs = clock.wallMs();
    const token = await signToken("ada", ALL, { nowMs });
    const newer = await signToken("ada", ALL, { nowMs, expS: 6000 });
    await using ada = await ProtocolClient.connect(node.url, { token });
    for (let i = 0; i < 3; i++)
      expect(await rejection(ada.refresh("a.b.c"))).toMatchObject({ code: 4001 });
    expect(await rejection(ada.refresh(newer))).toMatchObject({
      code: 4103,
      reply: { retryAfterMs: 20_000 },
    });
    await ada.publish("a", "x");
    await using again = await ProtocolClient.connect(node.url, { token });
    await again.publish("a", "x");
    expect(await request(node, { "x-api-key": API_KEY })).toBe(429);
    clock.advance(20_000);
    await ada.refresh(newer);
    expect(await request(node, { "x-api-key": API_KEY })).toBe(200);
  });

  test("may still ask for what needs no credential", async () => {
    await using node = await start({ authFailureRate: 1, clock: new VirtualClock() });
    for (let i = 0; i < 3; i++) await request(node, { "x-api-key": "wrong" });
    expect((await fetch(`${node.httpUrl}/health`)).status).toBe(200);
    expect((await fetch(`${node.httpUrl}/metrics`)).status).toBe(200);
    expect(await request(node, {})).toBe(401);
  });
});

test("clients behind a proxy of a private network do not lock one another out", async () => {
  await using node = await start({ authFailureRate: 1, clock: new VirtualClock() });
  const headers = { "x-forwarded-for": "203.0.113.5" };
  for (let i = 0; i < 5; i++) {
    expect(await request(node, { ...headers, "x-api-key": "wrong" })).toBe(401);
    const authorization = "Bearer a.b.c";
    expect(await handshake(node, { headers: { ...headers, authorization } })).toBe(401);
    await using client = await ProtocolClient.open(node.url, { headers });
    expect(await rejection(client.connect("a.b.c"))).toMatchObject({ code: 4001 });
  }
  expect(await request(node, { ...headers, "x-api-key": API_KEY })).toBe(200);
});

test("a broker without any key refuses tokens without counting them: there is nothing to find out", async () => {
  const clock = new VirtualClock();
  await using node = await startBroker({ authFailureRate: 1, clock });
  for (let i = 0; i < 5; i++)
    expect(await handshake(node, { headers: { Authorization: "Bearer a.b.c" } })).toBe(401);
});
