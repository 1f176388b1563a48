import { describe, expect, test } from "bun:test";

import { ProtocolClient } from "../../support/protocol-client.ts";
import { FIXTURES, OBEY, startTransforms, stored } from "./transform-node.ts";

const TAG = { ...OBEY, use: "./tag.ts", config: { tag: "x" } };

describe("several transforms on a channel", () => {
  test("run in the order they are bound in, and one that drops ends it", async () => {
    const wide = { ...TAG, channels: [">"], id: "wide" };
    await using node = await startTransforms([OBEY, wide]);
    await using client = await ProtocolClient.connect(node.url);
    await client.publish("t.a", "one");
    await client.publish("t.a", "drop");
    await client.publish("t.a", "one");
    await client.publish("other", "one");
    expect(await stored(client, "t.a")).toEqual(["ONE x1", "ONE x2"]);
    expect(await stored(client, "other")).toEqual(["one x1"]);
    await using turned = await startTransforms([wide, OBEY]);
    await using second = await ProtocolClient.connect(turned.url);
    await second.publish("t.a", "one");
    expect(await stored(second, "t.a")).toEqual(["ONE X1"]);
  });

  test("are seen by the operator one by one", async () => {
    await using node = await startTransforms([OBEY, { ...TAG, channels: [">"] }]);
    await using client = await ProtocolClient.connect(node.url);
    for (const text of ["one", "drop", "fail"]) {
      await client.publish("t.a", text).catch((error: unknown) => error);
    }
    await client.publish("other", "one");
    const statuses = node.broker.api.transforms();
    expect(statuses.map(({ id, name, state }) => ({ id, name, state }))).toEqual([
      { id: "obey", name: "obey", state: "running" },
      { id: "tag", name: "tag", state: "running" },
    ]);
    expect(statuses.map(({ verdicts }) => verdicts)).toMatchObject([
      { replace: 1, drop: 1, fail: 1 },
      { replace: 2 },
    ]);
    const answer = await fetch(`${node.httpUrl}/v1/transforms`);
    expect(await answer.json()).toMatchObject({ transforms: [{ id: "obey" }, { id: "tag" }] });
  });
});

test("a transform in a process of its own does the same", async () => {
  await using node = await startTransforms([
    { ...OBEY, isolation: "process" },
    { ...TAG, directory: FIXTURES, channels: ["tag.>"], isolation: "process" },
  ]);
  await using client = await ProtocolClient.connect(node.url);
  await client.publish("t.a", "one");
  await client.publish("t.a", "emit out.a=x");
  await client.publish("t.a", "throw").catch((error: unknown) => error);
  await client.publish("t.a", "hang").catch((error: unknown) => error);
  await client.publish("t.a", "two");
  await client.publish("tag.a", "one");
  expect(await stored(client, "t.a")).toEqual(["ONE", "emit out.a=x", "TWO"]);
  expect(await stored(client, "out.a")).toEqual(["x"]);
  expect(await stored(client, "tag.a")).toEqual(["one x1"]);
}, 60_000);
