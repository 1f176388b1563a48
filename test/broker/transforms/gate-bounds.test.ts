import { describe, expect, test } from "bun:test";

import { refusalOf, startObeying, stored } from "../../support/obeying-broker.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";

describe("what may be in transforms at once", () => {
  test("is bounded for a connection, and others are not concerned", async () => {
    await using node = await startObeying({ transformPendingPerConnection: 2 });
    const { http, runner } = node;
    await using client = await ProtocolClient.connect(http.url);
    await using other = await ProtocolClient.connect(http.url);
    runner.hold();
    const taken = [client.publish("t.a", "1"), client.publish("t.b", "2")];
    expect(await refusalOf(client.publish("t.a", "3"))).toMatchObject({
      code: 4103,
      retryAfterMs: expect.any(Number),
    });
    // Channels without transforms are open.
    expect(await client.publish("u.a", "3")).toMatchObject({ offset: 1 });
    taken.push(other.publish("t.a", "4"));
    await other.ping();
    runner.release();
    await Promise.all(taken);
    expect(await stored(client, "t.a")).toEqual(["1", "4"]);
    // There is room again.
    expect(await client.publish("t.a", "5")).toMatchObject({ offset: 3 });
  });

  test.each([
    ["publications", { transformPending: 2 }, 10],
    ["bytes", { transformPendingBytes: 128 * 1024 }, 60_000],
  ])("is bounded for the node in %s", async (_name, options, size) => {
    await using node = await startObeying(options);
    const { http, runner } = node;
    await using client = await ProtocolClient.connect(http.url);
    runner.hold();
    const payload = "x".repeat(size);
    const taken = [client.publish("t.a", payload), client.publish("t.b", payload)];
    const refused = await refusalOf(client.publish("t.a", payload));
    expect(refused).toMatchObject({ code: 4104, retryAfterMs: expect.any(Number) });
    const response = await http.post("/v1/publish", { channel: "t.a", payload });
    expect(response.status).toBe(503);
    runner.release();
    await Promise.all(taken);
    expect(await client.publish("t.a", payload)).toMatchObject({ offset: 2 });
  });

  test("the runner's own refusal reaches the publisher", async () => {
    await using node = await startObeying();
    const { http, runner } = node;
    await using client = await ProtocolClient.connect(http.url);
    runner.refusal = { code: "overloaded", message: "the lane is full", retryAfterMs: 7 };
    expect(await refusalOf(client.publish("t.a", "1"))).toMatchObject({
      code: 4104,
      message: "the lane is full",
      retryAfterMs: 7,
    });
    runner.refusal = null;
    expect(await client.publish("t.a", "1")).toMatchObject({ offset: 1 });
  });
});
