import { afterAll, beforeAll, expect, test } from "bun:test";

import { ProcessNode } from "../../chaos/chaos-node.ts";
import { ChaosRound } from "../../chaos/chaos-round.ts";
import { NO_VIOLATIONS, violationsOf } from "../../chaos/delivery-checker.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import type { RedisServer } from "../../support/redis/redis-server.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { unbroken } from "./fault-suite.ts";

const START_LIMIT_MS = 60_000;
const TEST_LIMIT_MS = 90_000;

describeWithRedis("two broker processes over one Redis", () => {
  const owned = new AsyncDisposableStack();
  let redis: RedisServer;
  let nodes: [ProcessNode, ProcessNode];

  beforeAll(async () => {
    redis = owned.use(await startRedis());
    const args = ["--redis", redis.url, "--history-size", "5000"];
    const first = owned.use(await ProcessNode.start("first", args));
    const second = owned.use(await ProcessNode.start("second", args));
    nodes = [first, second];
  }, START_LIMIT_MS);
  afterAll(() => owned.disposeAsync(), START_LIMIT_MS);

  for (const [name, target] of [
    ["the one that is published to", 0],
    ["the one that is subscribed to", 1],
  ] as const) {
    test(
      `killing ${name} with SIGKILL loses nothing that was acknowledged`,
      async () => {
        using round = await ChaosRound.start({ nodes });
        await round.acked(50);
        await nodes[target].restart();
        await round.acked(50);
        const figures = await round.finish();
        expect(figures.examples).toEqual([]);
        expect(violationsOf(figures)).toEqual(NO_VIOLATIONS);
        unbroken(figures);
        expect(figures.recovered).toBeGreaterThan(0);
      },
      TEST_LIMIT_MS,
    );

    test(
      `stopping ${name} for a while loses nothing`,
      async () => {
        using round = await ChaosRound.start({ nodes });
        nodes[target].stop();
        await round.sent(200);
        nodes[target].resume();
        await round.acked(50);
        const figures = await round.finish();
        expect(figures.examples).toEqual([]);
        expect(violationsOf(figures)).toEqual(NO_VIOLATIONS);
        unbroken(figures);
      },
      TEST_LIMIT_MS,
    );
  }
});
