import { expect, test } from "bun:test";

import { randomId } from "../../../broker/engine/epoch.ts";
import { startBrokerProcess } from "../../support/process.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { labelOf, loadViolations, publishAgain, publishLoad } from "./load.ts";
import { OBEY, startTransforms, stored } from "./transform-node.ts";

const CHANNELS = ["t.a", "t.b", "t.c"];
const LIMIT_MS = 120_000;

test(
  "a drain while transforms are busy loses nothing, and every publisher learns what became of its publications",
  async () => {
    const node = await startTransforms([{ ...OBEY, emit: ["out.>"] }], { drainMs: 10_000 });
    await using client = await ProtocolClient.connect(node.url);
    const outcomes = Array.from({ length: 60 }, (_, i) =>
      client.publish(CHANNELS[i % 3] as string, `slow 5 ${i}`),
    );
    await client.ping();
    const { stats } = node.broker.api;
    const before = stats.publications;
    const drained = node.broker.drain();
    const offsets = (await Promise.all(outcomes)).map(({ offset }) => offset);
    expect(before).toBeLessThan(60);
    expect(offsets.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 60 }, (_, i) => Math.floor(i / 3) + 1),
    );
    expect(stats.publications).toBe(60);
    expect(await client.untilClosed()).toMatchObject({ code: 4200 });
    await drained;
  },
  LIMIT_MS,
);

test(
  "a stop while transforms are busy gives what was taken in its place",
  async () => {
    const node = await startTransforms([OBEY]);
    const client = await ProtocolClient.connect(node.url);
    const outcomes = Array.from({ length: 20 }, () =>
      client.publish("t.a", "slow 5").catch((error: unknown) => error),
    );
    await client.ping();
    await node.broker.stop();
    expect(node.broker.api.stats.publications).toBe(20);
    await Promise.all(outcomes);
  },
  LIMIT_MS,
);

describeWithRedis("a broker process that is killed while its transforms are busy", () => {
  test(
    "has stored all it acknowledged, and publishing the rest again stores nothing twice",
    async () => {
      await using redis = await startRedis();
      const transforms = JSON.stringify([{ ...OBEY, workers: 2 }]);
      const args = ["--redis", redis.url, "--redis-prefix", `t${randomId(8)}`].concat(
        ["--history-size", "5000", "--max-connections-per-user", "0"],
        ["--transforms", transforms],
      );
      const load = {
        publishers: 4,
        channels: CHANNELS,
        count: 300,
        window: 50,
        seed: 3,
        hasIds: true,
        text: (label: string) => `slow 1 ${label}`,
      };
      await using victim = await startBrokerProcess(args);
      const sent = await publishLoad({
        ...load,
        url: victim.url,
        beforeSend: (publisher, number) => {
          if (publisher === 0 && number === 150) victim.kill("SIGKILL");
        },
      });
      const acknowledged = sent.filter(({ outcome }) => outcome !== null);
      expect(acknowledged.length).toBeGreaterThan(0);
      expect(acknowledged.length).toBeLessThan(sent.length);
      await using next = await startBrokerProcess(args);
      await using client = await ProtocolClient.connect(next.url);
      const all = async (): Promise<Map<string, string[]>> =>
        new Map(
          await Promise.all(
            CHANNELS.map(async (channel) => [channel, await stored(client, channel)] as const),
          ),
        );
      expect(loadViolations(sent, await all())).toEqual([]);
      const again = await publishAgain(next.url, sent);
      const after = await all();
      expect(loadViolations(sent, after)).toEqual([]);
      // What was stored is where it was, whether its publisher had been told or not.
      expect(loadViolations(again, after)).toEqual([]);
      expect(again.filter(({ outcome }) => outcome === null)).toEqual([]);
      const texts = [...after.values()].flat();
      expect(texts.map(labelOf).toSorted()).toEqual(
        sent.map(({ text }) => labelOf(text)).toSorted(),
      );
      // None of them got around the transform.
      expect(texts.filter((text) => !text.startsWith("SLOW"))).toEqual([]);
    },
    LIMIT_MS,
  );
});
