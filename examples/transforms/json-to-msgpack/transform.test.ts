import { expect, test } from "bun:test";

import { harness, message } from "tickwire/transform/testing";

import transform from "./transform.ts";

const quote = {
  type: "quote",
  symbol: "EUR/USD",
  bid: 1.1212,
  ask: 1.1217,
  bidSize: 1_000_000,
  askSize: 1_000_000,
  time: 1_733_011_200_000,
};

test("what comes out is the same, and smaller", async () => {
  await using it = harness(transform);
  const sent = message("quotes.eur", quote);
  const { outputs } = await it.run([sent]);
  expect(outputs[0]?.decode()).toEqual(quote);
  expect(outputs[0]?.bytes.length).toBeLessThan(sent.bytes.length);
});

test("tells every issue, the first five in words", async () => {
  await using it = harness(transform);
  const { outcomes } = await it.run([message("quotes.eur", { ...quote, bid: 2, a: 1 })]);
  expect(outcomes[0]?.error?.message).toContain('Unrecognized key: "a"');
  const { outcomes: many } = await it.run([message("quotes.eur", { type: "trade" })]);
  expect(many[0]?.error?.message).toMatch(/^symbol: .*; side: .*; price: .*; quantity: .*; time: /);
});

test("its configuration has a JSON Schema", async () => {
  await using it = harness(transform);
  const { configSchema } = await it.manifest();
  expect(configSchema).toMatchObject({ type: "object", properties: { types: { type: "array" } } });
});

test("never throws, whatever the payload", async () => {
  await using it = harness(transform);
  const { problems, verdicts } = await it.fuzz({ samples: [quote] });
  expect(problems).toEqual([]);
  expect(verdicts.replace).toBeGreaterThan(0);
});
