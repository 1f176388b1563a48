import { expect, test } from "bun:test";

import { harness, message } from "tickwire/transform/testing";

import transform from "./transform.ts";

test("drops what is below the minimum", async () => {
  await using it = harness(transform, { config: { min: 10 } });
  const { verdicts, outcomes } = await it.run([
    message("quotes.a", { price: 9.5 }),
    message("quotes.a", { price: 10 }),
    message("quotes.a", { price: 12 }, { encoding: "msgpack" }),
  ]);
  expect(verdicts).toEqual(["drop", "pass", "pass"]);
  expect(outcomes[0]?.reason).toBe("below the minimum");
  expect(outcomes[1]?.headers).toEqual({ "checked-by": "my-filter" });
});

test("leaves what has no number to the failure policy", async () => {
  await using it = harness(transform);
  const { outcomes } = await it.run([message("quotes.a", "no JSON"), message("quotes.a", {})]);
  expect(outcomes.map(({ error }) => error?.message)).toEqual([
    "price is no number",
    "price is no number",
  ]);
});

test("never throws, whatever the payload", async () => {
  await using it = harness(transform, { config: { field: "bid", min: 1 } });
  const report = await it.fuzz({ samples: [{ bid: 1.5 }, { bid: -1 }] });
  expect(report.problems).toEqual([]);
});

test("refuses a configuration that makes no sense", async () => {
  await using it = harness(transform, { config: { min: "ten" } });
  expect(it.manifest()).rejects.toThrow("min: must be a number");
});
