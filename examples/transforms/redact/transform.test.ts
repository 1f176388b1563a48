import { expect, test } from "bun:test";

import { harness, message } from "tickwire/transform/testing";

import transform from "./transform.ts";

test("must not be left out when it fails", async () => {
  await using it = harness(transform);
  expect(await it.manifest()).toMatchObject({ failClosed: true });
});

test("counts what it took out", async () => {
  await using it = harness(transform);
  const { metrics } = await it.run([
    message("chat.1", "numbskull@example.org is a numbskull"),
    message("chat.1", "nothing"),
  ]);
  const counts = Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  expect(counts).toEqual({ email: 1, word: 1 });
});

test("JSON nested without end is refused", async () => {
  await using it = harness(transform);
  const deep = `${"[".repeat(40)}"numbskull"${"]".repeat(40)}`;
  const { outcomes } = await it.run([message("chat.1", deep)]);
  expect(outcomes[0]?.error?.message).toContain("more than 32 deep");
});

test("never throws, whatever the payload", async () => {
  await using it = harness(transform);
  const samples = ["ask Alba Abendroth", { text: "numbskull", list: [{ a: "+49 30 901820" }] }];
  const { problems } = await it.fuzz({ samples, runs: 40 });
  expect(problems).toEqual([]);
});
