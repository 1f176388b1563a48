import { expect, test } from "bun:test";

import { harness, message } from "tickwire/transform/testing";

import transform from "./transform.ts";

const snapshot = (u: number, bid: string) => ({
  type: "snapshot",
  ts: u,
  data: { u, b: [[bid, "1"]], a: [["100", "1"]] },
});
const delta = (u: number, bid: string) => ({
  type: "delta",
  ts: u,
  data: { u, b: [[bid, "1"]], a: [] },
});

test("the book survives a reload", async () => {
  await using it = harness(transform);
  await it.run([message("book.a", snapshot(1, "10"))]);
  await it.reload();
  const { outputs } = await it.run([message("book.a", delta(2, "11"))]);
  expect(outputs[0]?.json()).toMatchObject({ u: 2, bid: 11, ask: 100 });
});

test("only the newest of a batch goes out, of each channel, when it conflates batches", async () => {
  await using it = harness(transform, { config: { conflate: "batch" } });
  const { outcomes } = await it.run([
    message("book.a", snapshot(1, "10")),
    message("book.b", snapshot(1, "20")),
    message("book.a", delta(2, "11")),
    message("book.a", "what is no update does not count"),
  ]);
  expect(outcomes.map(({ verdict, reason }) => reason ?? verdict)).toEqual([
    "conflated",
    "replace",
    "replace",
    "fail",
  ]);
});

test("never throws, whatever the payload", async () => {
  await using it = harness(transform);
  const { problems } = await it.fuzz({ samples: [snapshot(1, "10"), delta(2, "11")] });
  expect(problems).toEqual([]);
});
