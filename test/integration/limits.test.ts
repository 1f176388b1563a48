import { describe, expect, test } from "bun:test";

import { encodePing } from "../../protocol/messages/ping.ts";
import { startBroker } from "../support/broker.ts";
import { ProtocolClient, publishFrame, subscribeFrame } from "../support/protocol-client.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";
import { rejection } from "../support/rejection.ts";
import { ALL, signToken, TOKEN_SECRET } from "../support/tokens.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const CONNECTION_LIMIT = 4107;

/** How many of so many handshakes at once are let in, and with what status the others are refused. */
async function storm(
  url: string,
  count: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ open: RawWebSocket[]; refused: unknown[] }> {
  const attempts = await Promise.allSettled(
    Array.from({ length: count }, () => RawWebSocket.connect(url, { headers })),
  );
  return {
    open: attempts.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])),
    refused: attempts.flatMap((one) =>
      one.status === "rejected" ? [(one.reason as { status?: number }).status] : [],
    ),
  };
}

describe("connections", () => {
  test("of one user are five; the sixth is refused and closed, and there is room again when one goes", async () => {
    await using node = await startBroker({ tokenSecret: TOKEN_SECRET });
    const token = await signToken("ada", ALL);
    const clients = [];
    while (clients.length < 5) clients.push(await ProtocolClient.connect(node.url, { token }));
    await using sixth = await ProtocolClient.open(node.url);
    expect(await rejection(sixth.connect(token))).toMatchObject({ code: CONNECTION_LIMIT });
    expect((await sixth.untilClosed()).code).toBe(CONNECTION_LIMIT);
    await using other = await ProtocolClient.connect(node.url, {
      token: await signToken("bob", ALL),
    });
    // A connection that is cut without a word gives its place back as well.
    clients[0]?.terminate();
    await clients[1]?.close();
    while ((await node.broker.api.connections({ user: "ada", limit: 9, after: null })).length > 3) {
      await other.ping();
    }
    for (let i = 0; i < 2; i++) await ProtocolClient.connect(node.url, { token });
    await using seventh = await ProtocolClient.open(node.url);
    expect(await rejection(seventh.connect(token))).toMatchObject({ code: CONNECTION_LIMIT });
  });

  test("without a user are not counted as one", async () => {
    await using node = await startBroker({ maxConnectionsPerUser: 1 });
    for (let i = 0; i < 3; i++) await ProtocolClient.connect(node.url);
    expect(node.broker.api.stats.connectionsOpen).toBe(3);
  });

  for (const way of ["without a token", "with one in the header, whose check takes time"]) {
    const headersFor = async (): Promise<Record<string, string>> =>
      way === "without a token" ? {} : { Authorization: `Bearer ${await signToken("ada", ALL)}` };
    const auth = way === "without a token" ? {} : { tokenSecret: TOKEN_SECRET };

    test(`of one node are never more than its maximum, though many come at once ${way}`, async () => {
      await using node = await startBroker({ maxConnections: 5, ...auth });
      const headers = await headersFor();
      const { open, refused } = await storm(node.url, 20, headers);
      expect(open).toHaveLength(5);
      expect(new Set(refused)).toEqual(new Set([503]));
      expect(node.broker.api.stats.connectionsOpen).toBe(5);
      open[0]?.destroy();
      await open[0]?.closed;
      const isRoom = async (): Promise<boolean> =>
        (await storm(node.url, 1, headers)).open.length === 1;
      while (!(await isRoom()));
      expect(node.broker.api.stats.connectionsOpen).toBe(5);
    });

    test(`of one address are never more than its maximum ${way}`, async () => {
      await using node = await startBroker({ maxConnectionsPerIp: 3, ...auth });
      const { open, refused } = await storm(node.url, 12, await headersFor());
      expect(open).toHaveLength(3);
      expect(new Set(refused)).toEqual(new Set([429]));
    });
  }
});

describe("subscriptions", () => {
  test("of one connection are limited, by name and by pattern together", async () => {
    await using node = await startBroker({ maxSubscriptions: 4 });
    await using client = await ProtocolClient.connect(node.url);
    expect(client.connected?.limits.maxSubscriptions).toBe(4);
    for (const name of ["a", "b", "c.*", "d.>"]) await client.subscribe(name);
    for (const name of ["e", "f.*"]) {
      expect(await rejection(client.subscribe(name))).toMatchObject({ code: 4011 });
    }
    expect(await rejection(client.subscribe("a"))).toMatchObject({ code: 4014 });
    await client.unsubscribe("c.*");
    await client.subscribe("e");
    expect(await rejection(client.unsubscribe("c.*"))).toMatchObject({ code: 4015 });
  });

  test("of one channel are limited where its namespace says so", async () => {
    await using node = await startBroker({
      namespaces: [{ pattern: "small.*", maxSubscribers: 2 }],
    });
    const clients = [];
    while (clients.length < 3) clients.push(await ProtocolClient.connect(node.url));
    const [first, second, third] = clients as [ProtocolClient, ProtocolClient, ProtocolClient];
    await first.subscribe("small.a");
    await second.subscribe("small.*");
    expect(await rejection(third.subscribe("small.a"))).toMatchObject({ code: 4104 });
    await third.subscribe("big.a");
    await second.unsubscribe("small.*");
    await third.subscribe("small.a");
  });
});

describe("sizes", () => {
  test("of payloads: the largest passes, one byte more is an error, and the connection goes on", async () => {
    await using node = await startBroker({
      maxPayloadBytes: 1000,
      namespaces: [{ pattern: "tiny.>", maxPayloadBytes: 10 }],
    });
    for (const format of ["msgpack", "json"] as const) {
      const client = await ProtocolClient.connect(node.url, { format });
      for (const [channel, size] of [
        ["a", 1000],
        ["tiny.a", 10],
      ] as const) {
        await client.publish(channel, new Uint8Array(size));
        const refused = await rejection(client.publish(channel, new Uint8Array(size + 1)));
        expect(refused).toMatchObject({ code: 4013 });
        // An error is told even where no reply was asked for [P-3.6].
        client.post(channel, new Uint8Array(size + 1));
        await client.frame("error", ({ id }) => id === 0);
      }
    }
    const { publications } = await node.broker.api.history("a", { limit: 10, since: null });
    expect(publications.map(({ payload }) => payload.length)).toEqual([1000, 1000]);
  });

  test("of messages: one too large closes with 1009, before anything of it is executed", async () => {
    await using node = await startBroker({ maxMessageBytes: 4096, maxPayloadBytes: 2000 });
    for (const format of ["msgpack", "json"] as const) {
      await using client = await ProtocolClient.connect(node.url, { format });
      const frames = [1, 2, 3, 4, 5].map(() => publishFrame(0, `a.${format}`, "x".repeat(900)));
      client.send(...frames.slice(0, 4));
      await client.ping();
      client.send(...frames);
      expect((await client.untilClosed()).code).toBe(1009);
      const history = node.broker.api.history(`a.${format}`, { limit: 10, since: null });
      expect((await history).offset).toBe(4);
    }
  });
});

describe("a history reply", () => {
  test("holds what fits one message, and a client that reads on gets all of it once", async () => {
    await using node = await startBroker({ maxMessageBytes: "8KiB", maxPayloadBytes: 4000 });
    for (const format of ["msgpack", "json"] as const) {
      await using client = await ProtocolClient.connect(node.url, { format });
      const sizes = [4000, 10, 3999, 1, 0, 2500, 2500, 2500, 4000, 4000, 4000, 4000, 7];
      for (const size of sizes) await client.publish(format, "x".repeat(size));
      const { epoch } = await client.history(format, 0);
      const seen: number[] = [];
      let pages = 0;
      for (let offset = 0; offset < sizes.length; pages++) {
        const page = await client.history(format, 1000, { epoch, offset });
        expect(page).toMatchObject({ complete: true, offset: sizes.length });
        const pageSizes = page.publications.map(({ payload }) => payload.length);
        expect(pageSizes.length).toBeGreaterThan(0);
        if (pageSizes.length > 1) {
          expect(pageSizes.reduce((sum, size) => sum + size)).toBeLessThan(8192);
        }
        seen.push(...pageSizes);
        offset = page.publications.at(-1)?.offset ?? sizes.length;
      }
      expect(seen).toEqual(sizes);
      expect(pages).toBeGreaterThan(3);
      // Without a position it is the newest that are kept back least.
      const newest = await client.history(format, 1000);
      expect(newest.publications.at(-1)?.offset).toBe(sizes.length);
      expect(newest.publications.length).toBeLessThan(sizes.length);
    }
  });
});

describe("rates", () => {
  test("of publications: one too many is an error that says when to come again, and nothing is stored", async () => {
    const clock = new VirtualClock();
    await using node = await startBroker({ publishRate: 10, clock });
    for (const format of ["msgpack", "json"] as const) {
      await using client = await ProtocolClient.connect(node.url, { format });
      for (let i = 0; i < 20; i++) await client.publish(format, "x");
      const refused = await rejection(client.publish(format, "x"));
      expect(refused).toMatchObject({ code: 4103, reply: { retryAfterMs: 100 } });
      clock.advance(100);
      expect((await client.publish(format, "x")).offset).toBe(21);
      // Other commands have a rate of their own.
      await client.ping();
      await client.subscribe(format);
    }
  });

  test("of payload bytes: by size, not by number", async () => {
    const clock = new VirtualClock();
    await using node = await startBroker({ publishByteRate: 1000, clock });
    for (const format of ["msgpack", "json"] as const) {
      await using client = await ProtocolClient.connect(node.url, { format });
      for (let i = 0; i < 100; i++) await client.publish("a", "x");
      await client.publish("a", new Uint8Array(1900));
      const refused = await rejection(client.publish("a", new Uint8Array(500)));
      expect(refused).toMatchObject({ code: 4103, reply: { retryAfterMs: 500 } });
      clock.advance(500);
      await client.publish("a", new Uint8Array(500));
    }
    expect(node.broker.api.stats.rateRefusalsByReason.get("publish_byte_rate")).toBe(2);
  });

  test("of number and bytes together: what one refuses costs nothing of the other", async () => {
    const clock = new VirtualClock();
    await using node = await startBroker({ publishRate: 2, publishByteRate: 1000, clock });
    for (const format of ["msgpack", "json"] as const) {
      await using client = await ProtocolClient.connect(node.url, { format });
      await client.publish("a", new Uint8Array(2000));
      for (let i = 0; i < 5; i++) {
        const refused = await rejection(client.publish("a", new Uint8Array(1000)));
        expect(refused).toMatchObject({ code: 4103, reply: { retryAfterMs: 1000 } });
      }
      for (let i = 0; i < 3; i++) await client.publish("a", "");
      const refused = await rejection(client.publish("a", ""));
      expect(refused).toMatchObject({ code: 4103, reply: { retryAfterMs: 500 } });
      // The longer of two waits is told: after it the publication passes.
      const longer = await rejection(client.publish("a", new Uint8Array(1500)));
      expect(longer).toMatchObject({ code: 4103, reply: { retryAfterMs: 1500 } });
      clock.advance(1500);
      await client.publish("a", new Uint8Array(1500));
    }
  });

  test("say when to come again in the error before the close as well", async () => {
    const clock = new VirtualClock();
    await using node = await startBroker({ publishRate: 10, clock });
    for (const format of ["msgpack", "json"] as const) {
      await using client = await ProtocolClient.connect(node.url, { format });
      client.send(...Array.from({ length: 20 + 101 }, (_, i) => publishFrame(1000 + i, "a", "x")));
      expect((await client.untilClosed()).code).toBe(4103);
      expect(client.frames.at(-1)).toMatchObject({ type: "error", code: 4103, retryAfterMs: 100 });
    }
  });

  test("of commands: errors first, and a client that floods on is closed with 4103", async () => {
    const clock = new VirtualClock();
    await using node = await startBroker({ commandRate: 50, clock });
    const kinds = {
      pings: (id: number) => encodePing({ id, clientTimeMs: 0 }),
      subscribes: (id: number) => subscribeFrame(id, "a"),
      "commands that are malformed": (id: number) => [2, id, 17] as const,
      "commands nobody knows": (id: number) => [29, id] as const,
    };
    for (const [kind, frame] of Object.entries(kinds)) {
      await using other = await ProtocolClient.connect(node.url);
      await using client = await ProtocolClient.connect(node.url);
      // Connect is the first of the 100 that a burst may have.
      client.send(...Array.from({ length: 99 }, (_, i) => frame(1000 + i)));
      client.send(frame(5000));
      const refused = await client.frame("error", ({ id }) => id === 5000);
      expect([kind, refused.code, refused.retryAfterMs]).toEqual([kind, 4103, 20]);
      expect(client.frames.filter((one) => "id" in one && one.id >= 1000)).toHaveLength(100);
      clock.advance(40);
      client.send(frame(6000), frame(6001), frame(6002));
      const next = await client.frame("error", ({ id }) => id === 6002);
      expect(next.code).toBe(4103);
      for (let i = 0; i < 100; i++) client.send(frame(7000 + i));
      expect((await client.untilClosed()).code).toBe(4103);
      expect(client.frames.at(-1)).toMatchObject({ type: "error", code: 4103 });
      await other.ping();
    }
  });

  test("are forgiven with time: who is over them now and then is not closed", async () => {
    const clock = new VirtualClock();
    await using node = await startBroker({ publishRate: 1, clock });
    await using client = await ProtocolClient.connect(node.url);
    for (let round = 0; round < 4; round++) {
      client.send(...Array.from({ length: 60 }, () => publishFrame(0, "a", "x")));
      await client.ping();
      clock.advance(1001);
      node.broker.sweep();
    }
    expect(client.closed).toBeNull();
    client.send(...Array.from({ length: 110 }, () => publishFrame(0, "a", "x")));
    expect((await client.untilClosed()).code).toBe(4103);
  });

  test("set to 0 limit nothing", async () => {
    await using node = await startBroker({
      commandRate: 0,
      publishRate: 0,
      clock: new VirtualClock(),
    });
    await using client = await ProtocolClient.connect(node.url);
    const pings = Array.from({ length: 5000 }, (_, i) =>
      encodePing({ id: i + 10, clientTimeMs: 0 }),
    );
    client.send(...pings);
    await client.reply(5009);
    expect(client.frames.some(({ type }) => type === "error")).toBe(false);
  });
});
