import { expect, test } from "bun:test";

import { ProtocolClient } from "../../support/protocol-client.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { loadViolations, publishLoad } from "./load.ts";
import { OBEY, startTransforms, stored } from "./transform-node.ts";

const CHANNELS = ["t.a", "t.b", "t.c", "t.d", "free.a"];
const LIMIT_MS = 60_000;

/**
 * Aim: whatever transforms take, each channel has the publications of each publisher in their order, none twice, and
 * each acknowledgement names the place of its own publication. Method: six publishers, each with many publications
 * under way on five channels, through two workers, where some take long, some fail and some throw.
 */
async function orderHolds(input: { readonly redis?: readonly string[] }): Promise<void> {
  await using node = await startTransforms([{ ...OBEY, workers: 2 }], {
    ...input,
    historySize: 1000,
  });
  const sent = await publishLoad({
    url: node.url,
    publishers: 6,
    channels: CHANNELS,
    count: 150,
    window: 40,
    seed: 7,
    text: (label, random) => {
      if (random.chance(0.02)) return `throw ${label}`;
      if (random.chance(0.03)) return `fail ${label}`;
      if (random.chance(0.05)) return `drop ${label}`;
      if (random.chance(0.1)) return `slow ${random.between(1, 3)} ${label}`;
      return `pass ${label}`;
    },
  });
  await using client = await ProtocolClient.connect(node.url);
  const all = new Map<string, string[]>();
  for (const channel of CHANNELS) all.set(channel, await stored(client, channel));
  expect(loadViolations(sent, all)).toEqual([]);
  for (const { channel, text, outcome } of sent) {
    const [word] = channel === "free.a" ? ["pass"] : text.split(" ");
    if (word === "drop") expect(outcome).toEqual({ offset: 0 });
    else if (word === "fail" || word === "throw") expect(outcome).toEqual({ code: 4019 });
    else expect(outcome).toEqual({ offset: expect.any(Number) });
  }
  const published = sent.filter(
    ({ outcome }) => outcome !== null && "offset" in outcome && outcome.offset > 0,
  );
  expect([...all.values()].flat()).toHaveLength(published.length);
}

test("order holds with the memory engine", () => orderHolds({}), LIMIT_MS);

describeWithRedis("over Redis", () => {
  test(
    "order holds",
    async () => {
      await using redis = await startRedis();
      await orderHolds({ redis: [redis.url] });
    },
    LIMIT_MS,
  );

  test(
    "a publication is transformed once, on the node it is published to",
    async () => {
      await using redis = await startRedis();
      const tag = { ...OBEY, use: "./tag.ts" };
      const shared = { redis: [redis.url] };
      await using one = await startTransforms([{ ...tag, config: { tag: "one" } }], shared);
      await using two = await startTransforms([{ ...tag, config: { tag: "two" } }], shared);
      await using here = await ProtocolClient.connect(one.url);
      await using there = await ProtocolClient.connect(two.url);
      await Promise.all([here.subscribe("t.a"), there.subscribe("t.a")]);
      await here.publish("t.a", "first");
      await there.publish("t.a", "second");
      await here.publish("t.a", "third");
      const expected = ["first one1", "second two1", "third one1"];
      for (const client of [here, there]) {
        await client.untilPublications(3);
        expect(client.texts("t.a")).toEqual(expected);
        expect(await stored(client, "t.a")).toEqual(expected);
      }
    },
    LIMIT_MS,
  );
});
