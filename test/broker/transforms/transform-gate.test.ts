import { describe, expect, test } from "bun:test";

import { refusalOf, startObeying, stored } from "../../support/obeying-broker.ts";
import { ProtocolClient, publishFrame } from "../../support/protocol-client.ts";
import { waitUntil } from "../../support/redis/wait.ts";

describe.each(["msgpack", "json"] as const)("a %s publisher", (format) => {
  test("is told where what the transform made was stored, and subscribers get that", async () => {
    await using node = await startObeying();
    const { http } = node;
    await using client = await ProtocolClient.connect(http.url, { format });
    const { epoch } = await client.subscribe("t.a");
    expect(await client.publish("t.a", "one")).toEqual({ offset: 1, epoch });
    expect(await client.publish("t.a", "two", { headers: new Map([["h", "v"]]) })).toEqual({
      offset: 2,
      epoch,
    });
    await client.untilPublications(2);
    expect(client.texts("t.a")).toEqual(["ONE", "TWO"]);
    expect(await stored(client, "t.a")).toEqual(["ONE", "TWO"]);
    expect(client.publications[1]?.meta?.headers).toEqual(new Map([["h", "v"]]));
    // Of other channels nothing goes through it.
    await client.publish("u.a", "one");
    expect(await stored(client, "u.a")).toEqual(["one"]);
  });

  test("is told with offset 0 that a publication was left out", async () => {
    await using node = await startObeying();
    const { http } = node;
    await using client = await ProtocolClient.connect(http.url, { format });
    expect(await client.publish("t.a", "drop")).toEqual({ offset: 0, epoch: "" });
    expect(await stored(client, "t.a")).toEqual([]);
  });

  test("gets the failure of the transform as an error with advice to try again", async () => {
    await using node = await startObeying();
    const { http } = node;
    await using client = await ProtocolClient.connect(http.url, { format });
    const { code, name, message } = await refusalOf(client.publish("t.a", "fail"));
    expect({ code, name, message }).toEqual({
      code: 4110,
      name: "transform_failed",
      message: "it failed",
    });
    expect(await stored(client, "t.a")).toEqual([]);
  });
});

test("an acknowledgement comes after the transform, and one that was not asked for not at all", async () => {
  await using node = await startObeying();
  const { http, runner } = node;
  await using client = await ProtocolClient.connect(http.url);
  runner.hold();
  client.post("t.a", "quiet");
  const acknowledged = client.publish("t.a", "loud");
  await client.ping();
  // Both have been read, and neither is stored.
  expect(runner.waitingCount).toBe(2);
  expect(await stored(client, "t.a")).toEqual([]);
  runner.release();
  expect(await acknowledged).toMatchObject({ offset: 2 });
  const ids = client.frames.flatMap((frame) => (frame.type === "ok" ? [frame.id] : []));
  expect(ids).not.toContain(0);
});

test("a failure is told even where no reply was asked for", async () => {
  await using node = await startObeying();
  const { http } = node;
  await using client = await ProtocolClient.connect(http.url);
  client.post("t.a", "fail");
  expect(await client.frame("error")).toMatchObject({ id: 0, code: 4110 });
});

test("what settling trips over is told to one publisher, logged, and leaves the others alone", async () => {
  await using node = await startObeying({ maxChannels: 2 });
  const { http } = node;
  await using client = await ProtocolClient.connect(http.url);
  // Not even a channel can be opened any more.
  await client.publish("t.a", "1");
  await client.publish("u.a", "1");
  expect(await refusalOf(client.publish("t.a", "emit u.new=x"))).toMatchObject({ code: 4104 });
  expect(await client.publish("t.a", "2")).toMatchObject({ offset: 2 });
});

test("a publisher that has gone away is still published", async () => {
  await using node = await startObeying();
  const { http, runner } = node;
  await using subscriber = await ProtocolClient.connect(http.url);
  await subscriber.subscribe("t.a");
  const client = await ProtocolClient.connect(http.url);
  runner.hold();
  const sent = client.publish("t.a", "last words").catch((error: unknown) => error);
  await client.ping();
  client.terminate();
  await client.untilClosed();
  await sent;
  await waitUntil("the broker has seen it", () => http.broker.api.health().connections === 1);
  runner.release();
  await subscriber.untilPublications(1);
  expect(subscriber.texts("t.a")).toEqual(["LAST WORDS"]);
});

test("a route is asked for once, until the runner says that routes have changed", async () => {
  await using node = await startObeying();
  const { http, runner } = node;
  await using client = await ProtocolClient.connect(http.url);
  for (const channel of ["t.a", "u.a"]) {
    const before = runner.routeCount;
    await client.publish(channel, "1");
    await client.publish(channel, "2");
    expect(runner.routeCount - before).toBe(1);
  }
  runner.hold();
  const under = client.publish("t.a", "three");
  await client.ping();
  runner.remove("obey");
  // What came while it was bound is still in its lane: what comes after goes through it too.
  const behind = client.publish("t.a", "four");
  await client.ping();
  expect(runner.waitingCount).toBe(2);
  runner.release();
  await Promise.all([under, behind]);
  expect(await stored(client, "t.a")).toEqual(["1", "2", "THREE", "FOUR"]);
  runner.generation++;
  await client.publish("t.a", "five");
  expect((await stored(client, "t.a")).at(-1)).toBe("five");
});

test("frames of one message reach the transform in their order, and so do those of several messages", async () => {
  await using node = await startObeying();
  const { http } = node;
  await using client = await ProtocolClient.connect(http.url);
  const frames = Array.from({ length: 50 }, (_, i) =>
    publishFrame(client.nextId(), "t.a", `n${i}`),
  );
  client.send(...frames.slice(0, 25));
  for (const frame of frames.slice(25)) client.send(frame);
  await client.published(frames.at(-1)?.[1] as number);
  expect(await stored(client, "t.a")).toEqual(Array.from({ length: 50 }, (_, i) => `N${i}`));
});

test("a new lane is shown the newest of a channel's history, oldest first", async () => {
  await using node = await startObeying({ namespaces: [{ pattern: "t.none", historySize: 0 }] });
  const { http, runner } = node;
  await using client = await ProtocolClient.connect(http.url);
  for (const text of ["a", "b", "c"]) await client.publish("t.a", text);
  await client.publish("t.none", "a");
  const texts = (await runner.host.history("t.a", 2)).map((one) => new TextDecoder().decode(one));
  expect(texts).toEqual(["B", "C"]);
  expect(await runner.host.history("t.none", 2)).toEqual([]);
});
