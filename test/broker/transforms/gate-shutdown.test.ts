import { describe, expect, test } from "bun:test";

import { answered } from "../../support/http-answer.ts";
import { startObeying } from "../../support/obeying-broker.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { waitUntil } from "../../support/redis/wait.ts";

describe("shutting down", () => {
  test("a drain waits for transforms, so that publishers learn what became of their publications", async () => {
    await using node = await startObeying({ drainMs: 5000 });
    const { http, runner } = node;
    await using client = await ProtocolClient.connect(http.url);
    runner.hold();
    const published = client.publish("t.a", "1");
    await client.ping();
    const drained = http.broker.drain();
    await client.frame("drain");
    runner.release();
    expect(await published).toMatchObject({ offset: 1 });
    expect(await client.untilClosed()).toMatchObject({ code: 4200 });
    await drained;
  });

  test("a stop gives what is in transforms its place before the engine ends", async () => {
    const { http, runner } = await startObeying();
    const client = await ProtocolClient.connect(http.url);
    runner.hold();
    const published = client.publish("t.a", "1").catch((error: unknown) => error);
    await client.ping();
    const { stats } = http.broker.api;
    expect(stats.publications).toBe(0);
    await http.broker.stop();
    expect(stats.publications).toBe(1);
    await published;
  });

  test("a stop answers requests of the server API that wait for transforms", async () => {
    const { http, runner } = await startObeying();
    runner.hold();
    const publications = [1, 2, 3].map((i) => ({ channel: "t.a", payload: `${i}` }));
    const answers = [
      answered(http.post("/v1/publish", { channel: "t.a", payload: "0" })),
      answered(http.post("/v1/batch", { publications })),
    ];
    await waitUntil("both are read", () => runner.waitingCount === 4);
    await http.broker.stop();
    expect(await Promise.all(answers)).toMatchObject([
      { status: 200, body: { offset: expect.any(Number) } },
      { status: 200, body: { results: publications.map(() => ({ offset: expect.any(Number) })) } },
    ]);
  });

  test("a drain that is cut short waits for nothing", async () => {
    const { http, runner } = await startObeying({ drainMs: 600_000 });
    const client = await ProtocolClient.connect(http.url);
    runner.hold();
    const published = client.publish("t.a", "1").catch((error: unknown) => error);
    await client.ping();
    const drained = http.broker.drain();
    await client.frame("drain");
    await http.broker.drain();
    await drained;
    expect(await client.untilClosed()).toMatchObject({ code: 4200 });
    expect(http.broker.api.stats.publications).toBe(0);
    await published;
  });
});
