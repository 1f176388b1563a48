import { describe, expect, test } from "bun:test";

import { SUBPROTOCOL_MSGPACK, SUBPROTOCOL_TOKEN_PREFIX } from "../../protocol/version.ts";
import { startBroker } from "../support/broker.ts";
import type { TestBroker } from "../support/broker.ts";
import { ProtocolClient } from "../support/protocol-client.ts";
import type { ClientOptions } from "../support/protocol-client.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";
import { rejection } from "../support/rejection.ts";
import { ALL, signToken, TOKEN_SECRET } from "../support/tokens.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

/** The ways a token comes to the broker [P-4.1] [P-4.2] [P-4.3]. */
const WAYS: Record<string, (token: string) => ClientOptions> = {
  "the connect frame": (token) => ({ token }),
  "the Authorization header": (token) => ({ headers: { Authorization: `Bearer ${token}` } }),
  "the subprotocols": (token) => ({ offers: [`${SUBPROTOCOL_TOKEN_PREFIX}${token}`] }),
};

function start(): Promise<TestBroker> {
  return startBroker({ tokenSecret: TOKEN_SECRET });
}

describe("a token", () => {
  for (const [way, options] of Object.entries(WAYS)) {
    test(`in ${way} says who the client is`, async () => {
      await using node = await start();
      const token = await signToken("ada", ALL);
      await using client = await ProtocolClient.connect(node.url, options(token));
      expect(client.connected?.user).toBe("ada");
      expect(client.connected?.tokenExpiresInMs).toBeGreaterThan(590_000);
      expect(client.subprotocol).toBe(SUBPROTOCOL_MSGPACK);
      await client.publish("a", "x");
    });
  }

  const bad: Record<string, () => Promise<string>> = {
    "that is none": () => Promise.resolve("not.a.token"),
    "signed by somebody else": () => signToken("ada", ALL, { secret: "x".repeat(32) }),
    "that has expired": () => signToken("ada", ALL, { expS: 60, nowMs: Date.now() - 3_600_000 }),
  };
  for (const [what, make] of Object.entries(bad)) {
    test(`${what} opens nothing, however it comes`, async () => {
      await using node = await start();
      const token = await make();
      const code = what === "that has expired" ? 4109 : 4001;
      await using client = await ProtocolClient.open(node.url);
      expect(await rejection(client.connect(token))).toMatchObject({ code });
      expect((await client.untilClosed()).code).toBe(code);
      for (const way of ["the Authorization header", "the subprotocols"]) {
        const { headers = {}, offers = [] } = WAYS[way]?.(token) ?? {};
        const opening = RawWebSocket.connect(node.url, {
          headers,
          subprotocols: [SUBPROTOCOL_MSGPACK, ...offers],
        });
        expect(await rejection(opening)).toMatchObject({ status: 401 });
      }
      expect(node.broker.api.stats.connectionsOpen).toBe(0);
    });
  }

  test("is needed when the broker has a key, and refused when it has none", async () => {
    await using withKey = await start();
    await using client = await ProtocolClient.open(withKey.url);
    expect(await rejection(client.connect())).toMatchObject({ code: 4001 });
    expect((await client.untilClosed()).code).toBe(4001);
    await using without = await startBroker();
    await using other = await ProtocolClient.open(without.url);
    const token = await signToken("ada", ALL);
    expect(await rejection(other.connect(token))).toMatchObject({ code: 4001 });
  });

  test("in the connect frame takes the place of the one of the handshake", async () => {
    await using node = await start();
    const headers = { Authorization: `Bearer ${await signToken("ada", ALL)}` };
    const token = await signToken("bob", ALL);
    await using client = await ProtocolClient.connect(node.url, { headers, token });
    expect(client.connected?.user).toBe("bob");
  });
});

describe("what a token does not grant is forbidden, and the connection goes on", () => {
  test("publish, subscribe, history and presence, each by its own patterns", async () => {
    await using node = await start();
    const token = await signToken("ada", {
      publish: ["p.*"],
      subscribe: ["s.>"],
      presence: ["s.open"],
    });
    await using ada = await ProtocolClient.connect(node.url, { token });
    await using root = await ProtocolClient.connect(node.url, { token: await signToken("r", ALL) });
    const code = 4003;
    await ada.publish("p.a", "x");
    expect(await rejection(ada.publish("p.a.b", "x"))).toMatchObject({ code });
    expect(await rejection(ada.publish("s.a", "x"))).toMatchObject({ code });
    for (const name of ["p.a", ">", "*.a", "s"]) {
      expect(await rejection(ada.subscribe(name))).toMatchObject({ code });
    }
    expect(await rejection(ada.history("p.a", 1))).toMatchObject({ code });
    expect(await rejection(ada.presence("s.closed"))).toMatchObject({ code });
    for (const flags of [1, 2]) {
      expect(await rejection(ada.subscribe("s.closed", { flags }))).toMatchObject({ code });
    }
    // Joins and leaves of a whole pattern need a grant that covers it.
    expect(await rejection(ada.subscribe("s.>", { flags: 2 }))).toMatchObject({ code });
    await ada.subscribe("s.>");
    await ada.subscribe("s.open", { flags: 3 });
    expect(await ada.presence("s.open")).toHaveLength(1);
    await root.publish("s.a", "seen");
    await ada.untilPublications(1);
    expect(ada.texts("s.a")).toEqual(["seen"]);
    await ada.history("s.a", 1);
  });
});

describe("refresh", () => {
  test("replaces the token: what it grants and when it ends", async () => {
    await using node = await start();
    const token = await signToken("ada", { publish: ["a"], subscribe: ["a", "b.*"] });
    await using ada = await ProtocolClient.connect(node.url, { token });
    await ada.publish("a", "x");
    await ada.subscribe("a");
    await ada.subscribe("b.*");
    const next = await signToken("ada", { publish: ["c"], subscribe: ["a"] }, { expS: 6000 });
    expect(await ada.refresh(next)).toBeGreaterThan(5_900_000);
    const { channel, code } = await ada.frame("unsubscribed");
    expect([channel, code]).toEqual(["b.*", 4003]);
    // It came before the reply [P-6.8], which is the last of both.
    expect(ada.frames.at(-1)?.type).toBe("ok");
    expect(await rejection(ada.publish("a", "y"))).toMatchObject({ code: 4003 });
    await ada.publish("c", "x");
    expect(await rejection(ada.unsubscribe("b.*"))).toMatchObject({ code: 4015 });
    await ada.unsubscribe("a");
  });

  test("ends subscriptions whose presence the new token does not grant", async () => {
    await using node = await start();
    await using ada = await ProtocolClient.connect(node.url, {
      token: await signToken("ada", ALL),
    });
    await ada.subscribe("a", { flags: 1 });
    await ada.subscribe("b.*", { flags: 2 });
    await ada.subscribe("c");
    await ada.refresh(await signToken("ada", { subscribe: [">"] }));
    const ended = ada.frames.flatMap((frame) =>
      frame.type === "unsubscribed" ? [frame.channel] : [],
    );
    expect(ended).toEqual(["a", "b.*"]);
    expect(await node.broker.api.presence("a")).toEqual([]);
    expect(node.broker.api.stats.subscriptionsOpen).toBe(1);
  });

  test("that is refused leaves the connection as it was", async () => {
    await using node = await start();
    await using ada = await ProtocolClient.connect(node.url, {
      token: await signToken("ada", ALL),
    });
    await ada.subscribe("a");
    const ofAnother = await signToken("bob", ALL);
    expect(await rejection(ada.refresh(ofAnother))).toMatchObject({ code: 4003 });
    expect(await rejection(ada.refresh("nonsense"))).toMatchObject({ code: 4001 });
    const expired = await signToken("ada", ALL, { nowMs: Date.now() - 3_600_000, expS: 60 });
    expect(await rejection(ada.refresh(expired))).toMatchObject({ code: 4109 });
    await ada.publish("a", "x");
    await ada.untilPublications(1);
  });
});

/** A broker whose time is ours, and a token that ends 600 s from now. */
async function startAt(): Promise<{ node: TestBroker; clock: VirtualClock; token: string }> {
  const clock = new VirtualClock();
  const node = await startBroker({ tokenSecret: TOKEN_SECRET, tokenClockToleranceS: 5, clock });
  const token = await signToken("ada", ALL, { expS: 600, nowMs: clock.wallMs() });
  return { node, clock, token };
}

describe("the end of a token", () => {
  test("is told 30 s before, and closes the connection with 4109 once the tolerance has passed", async () => {
    const { node, clock, token } = await startAt();
    await using _ = node;
    await using ada = await ProtocolClient.connect(node.url, { token });
    clock.advance(569_000);
    node.broker.sweep();
    await ada.ping();
    expect(ada.frames.some(({ type }) => type === "token-expiring")).toBe(false);
    clock.advance(2000);
    node.broker.sweep();
    expect(await ada.frame("token-expiring")).toMatchObject({ expiresInMs: 29_000 });
    clock.advance(33_000);
    node.broker.sweep();
    await ada.ping();
    expect(ada.frames.filter(({ type }) => type === "token-expiring")).toHaveLength(1);
    clock.advance(2000);
    node.broker.sweep();
    expect((await ada.untilClosed()).code).toBe(4109);
    expect(ada.frames.at(-1)).toMatchObject({ type: "error", id: 0, code: 4109 });
  });

  test("is the same in every frame that tells it: the token's own, without the tolerance [P-6.1] [P-6.8]", async () => {
    const { node, clock, token } = await startAt();
    await using _ = node;
    await using ada = await ProtocolClient.connect(node.url, { token });
    expect(ada.connected?.tokenExpiresInMs).toBe(600_000);
    const newer = await signToken("ada", ALL, { expS: 300, nowMs: clock.wallMs() });
    expect(await ada.refresh(newer)).toBe(300_000);
    // Over, but within the tolerance; 0 would say that it never ends.
    clock.advance(302_000);
    await using late = await ProtocolClient.connect(node.url, { token: newer });
    expect(late.connected?.tokenExpiresInMs).toBe(1);
  });

  test("is put off by a refresh, and then told again", async () => {
    const { node, clock, token } = await startAt();
    await using _ = node;
    await using ada = await ProtocolClient.connect(node.url, { token });
    clock.advance(571_000);
    node.broker.sweep();
    await ada.frame("token-expiring");
    await ada.refresh(await signToken("ada", ALL, { expS: 600, nowMs: clock.wallMs() }));
    clock.advance(300_000);
    node.broker.sweep();
    await ada.ping();
    clock.advance(271_000);
    node.broker.sweep();
    await ada.until(() => ada.frames.filter(({ type }) => type === "token-expiring").length === 2);
    expect(ada.closed).toBeNull();
  });

  test("comes at once when it is revoked, by user or by id, and a newer token is good again", async () => {
    const { node, clock } = await startAt();
    await using _ = node;
    const sign = (sub: string, jti?: string): Promise<string> =>
      signToken(sub, ALL, { nowMs: clock.wallMs(), ...(jti === undefined ? {} : { jti }) });
    const [first, second, third] = [await sign("ada"), await sign("bob", "t1"), await sign("bob")];
    await using ada = await ProtocolClient.connect(node.url, { token: first });
    await using headerOnly = await ProtocolClient.open(node.url, {
      headers: { Authorization: `Bearer ${first}` },
    });
    await using bobByOne = await ProtocolClient.connect(node.url, { token: second });
    await using bob = await ProtocolClient.connect(node.url, { token: third });
    clock.advance(10_000);
    expect(await node.broker.api.revoke({ user: "ada" })).toBe(2);
    expect(await node.broker.api.revoke({ tokenId: "t1" })).toBe(1);
    for (const client of [ada, headerOnly, bobByOne]) {
      expect((await client.untilClosed()).code).toBe(4012);
    }
    for (const token of [first, second]) {
      expect(await rejection(ProtocolClient.connect(node.url, { token }))).toMatchObject({
        code: 4012,
      });
    }
    expect(await rejection(bob.refresh(second))).toMatchObject({ code: 4012 });
    await bob.publish("a", "x");
    clock.advance(2000);
    await using again = await ProtocolClient.connect(node.url, { token: await sign("ada") });
    await again.publish("a", "x");
  });
});
