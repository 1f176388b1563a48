import { afterAll, beforeAll, expect, test } from "bun:test";

import type { ConfigInput } from "../../../../broker/config/config.ts";
import { randomId } from "../../../../broker/engine/epoch.ts";
import { failureOf } from "../../../support/failure.ts";
import type { ProtocolClient } from "../../../support/protocol-client.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import { REDIS_START_LIMIT_MS, serversAt } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import type { RedisServer } from "../../../support/redis/redis-server.ts";
import { startRedis } from "../../../support/redis/start-redis.ts";

const CONFIG: ConfigInput = { historySize: 0, delivery: "local-first", maxConnectionsPerUser: 0 };

function texts({ publications }: ProtocolClient): string[] {
  return publications.map(({ payload }) => new TextDecoder().decode(payload));
}

/** Offsets a client has seen go up by one [P-7.2]. */
function expectNoHoles({ publications }: ProtocolClient): void {
  const first = publications[0]?.offset ?? 0;
  expect(publications.map(({ offset }) => offset)).toEqual(publications.map((_, i) => first + i));
}

describeWithRedis("local-first delivery", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  }, REDIS_START_LIMIT_MS);
  afterAll(() => server[Symbol.asyncDispose]());

  async function startTwo(stack: AsyncDisposableStack): Promise<[RedisNode, RedisNode]> {
    const prefix = `t${randomId(8)}`;
    const common = { topology: serversAt(server.url), prefix, leaseMs: 12_000, config: CONFIG };
    const a = stack.use(await RedisNode.start({ ...common, node: "a" }));
    const b = stack.use(await RedisNode.start({ ...common, node: "b" }));
    await a.untilReady();
    await b.untilReady();
    return [a, b];
  }

  test("reaches the publisher's own node while Redis stands still, and the others after, once each", async () => {
    await using stack = new AsyncDisposableStack();
    const [a, b] = await startTwo(stack);
    const near = stack.use(await a.connect("near"));
    const far = stack.use(await b.connect("far"));
    const publisher = stack.use(await a.connect("publisher"));
    for (const client of [near, far]) await client.subscribe("x");
    await server.stop();
    for (const text of ["1", "2", "3"]) publisher.post("x", text);
    await near.untilPublications(3);
    expect(texts(near)).toEqual(["1", "2", "3"]);
    expect(texts(far)).toEqual([]);
    await server.resume();
    await far.untilPublications(3);
    // What the other node says comes behind what this one hears of itself.
    await b.untilReady();
    expect(await far.publish("x", "4")).toEqual({ offset: 0, epoch: "" });
    await near.untilPublications(4);
    for (const client of [near, far]) {
      expect(texts(client)).toEqual(["1", "2", "3", "4"]);
      expectNoHoles(client);
    }
  });

  test("keeps each publisher's order on every node, and doubles nothing", async () => {
    await using stack = new AsyncDisposableStack();
    const [a, b] = await startTwo(stack);
    const subscribers = [await a.connect("s"), await b.connect("s")];
    const publishers = [await a.connect("p"), await a.connect("q"), await b.connect("r")];
    for (const client of [...subscribers, ...publishers]) stack.use(client);
    for (const client of subscribers) await client.subscribe("x");
    const sent = Array.from({ length: 300 }, (_, i) => i);
    const acked = publishers.flatMap((client, p) =>
      sent.map((i) => client.publish("x", `${"pqr"[p]}${i}`)),
    );
    for (const client of subscribers) await client.untilPublications(900);
    const acks = await Promise.all(acked);
    expect(acks.every(({ offset, epoch }) => offset === 0 && epoch === "")).toBe(true);
    await subscribers[1]?.publish("x", "end");
    await subscribers[0]?.publish("x", "end");
    for (const client of subscribers) {
      await client.untilPublications(902);
      expectNoHoles(client);
      for (const name of "pqr") {
        const own = texts(client).filter((text) => text.startsWith(name));
        expect(own).toEqual(sent.map((i) => `${name}${i}`));
      }
    }
  });

  test("reaches sessions subscribed by pattern, on a channel that was not known before", async () => {
    await using stack = new AsyncDisposableStack();
    const [a, b] = await startTwo(stack);
    const near = stack.use(await a.connect("near"));
    const far = stack.use(await b.connect("far"));
    for (const client of [near, far]) await client.subscribe("room.*");
    await server.stop();
    const publisher = stack.use(await a.connect("publisher"));
    for (const text of ["1", "2", "3"]) publisher.post("room.new", text);
    await near.untilPublications(3);
    publisher.post("room.new", "4");
    await near.untilPublications(4);
    await server.resume();
    await far.untilPublications(4);
    await b.untilReady();
    await far.publish("room.new", "5");
    await near.untilPublications(5);
    for (const client of [near, far]) {
      expect(texts(client)).toEqual(["1", "2", "3", "4", "5"]);
      expectNoHoles(client);
    }
  });

  test("tells the publisher that Redis refused what its own node's subscribers have", async () => {
    await using stack = new AsyncDisposableStack();
    const [a, b] = await startTwo(stack);
    const near = stack.use(await a.connect("near"));
    const far = stack.use(await b.connect("far"));
    for (const client of [near, far]) await client.subscribe("x");
    await server.command("ACL", "SETUSER", "default", "-publish");
    const refusal = await failureOf(near.publish("x", "1"));
    await server.command("ACL", "SETUSER", "default", "+publish");
    expect(refusal).toMatchObject({ reply: { name: "internal" } });
    await near.publish("x", "2");
    await far.untilPublications(1);
    expect(texts(far)).toEqual(["2"]);
    await near.untilPublications(2);
    expect(texts(near)).toEqual(["1", "2"]);
  });
});
