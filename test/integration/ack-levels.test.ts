import { expect, test } from "bun:test";

import { startBroker } from "../support/broker.ts";
import { failureOf } from "../support/failure.ts";
import { describeWithRedis } from "../support/redis/binary.ts";
import { startSentinel } from "../support/redis/sentinel.ts";
import { startRedis } from "../support/redis/start-redis.ts";

const PAYLOAD = Uint8Array.of(1);

describeWithRedis("acknowledgement", () => {
  test("accepted: with the place in the stream", async () => {
    await using redis = await startRedis();
    await using node = await startBroker({ redis: [redis.url] });
    const first = await node.broker.api.publish("orders.a", PAYLOAD);
    const second = await node.broker.api.publish("orders.a", PAYLOAD);
    expect(first.offset).toBe(1);
    expect(second).toEqual({ offset: 2, epoch: first.epoch });
  });

  test("none: at once and without a place, and it is stored all the same", async () => {
    await using redis = await startRedis();
    await using node = await startBroker({ redis: [redis.url], ack: "none" });
    expect(await node.broker.api.publish("orders.a", PAYLOAD)).toEqual({ offset: 0, epoch: "" });
    await redis.waitFor(async () => {
      const { offset } = await node.broker.api.history("orders.a", { limit: 1, since: null });
      return offset === 1;
    }, "the publication is in history");
  });

  test("replicated: given with a replica, not known without one", async () => {
    await using sentinel = await startSentinel({ sentinelCount: 1 });
    const master = await sentinel.master();
    // A replica that is online on paper applies nothing before its first acknowledgement.
    await master.waitFor(async () => {
      await master.command("SET", "probe", "1");
      return (await master.command("WAIT", "1", "50")) === 1;
    }, "the replica acknowledges");
    const [{ host, port }] = sentinel.addresses as [{ host: string; port: number }];
    const redisSentinel = `${sentinel.masterName}@${host}:${port}`;
    await using node = await startBroker({ redisSentinel, ack: "replicated" });
    const { offset } = await node.broker.api.publish("orders.a", PAYLOAD);
    expect(offset).toBe(1);

    const replica = await sentinel.replica();
    await replica.kill9();
    const failure = await failureOf(node.broker.api.publish("orders.a", PAYLOAD));
    expect(failure).toMatchObject({ info: { name: "publish_unknown" } });
    const { publications } = await node.broker.api.history("orders.a", { limit: 5, since: null });
    expect(publications).toHaveLength(2);
  });
});
