import { describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

import type { TopOfBook } from "../../examples/transforms/order-book/order-book.ts";
import orderBook from "../../examples/transforms/order-book/transform.ts";
import { readUpdate } from "../../examples/transforms/order-book/update.ts";
import redact from "../../examples/transforms/redact/transform.ts";
import { harness, message, runCases } from "../../workers/testing/index.ts";
import { feedLines, FIXTURE, quoteUpdate, recordedFeed } from "./market-data.ts";
import { PlainBook } from "./plain-book.ts";

// Aim: the examples do, across the boundary to a worker, what their parts do by themselves. The parts have tests of
// their own beside this file, and the examples theirs in their folders.

const EXAMPLES = fileURLToPath(new URL("../../examples/transforms/", import.meta.url));

test.each(["order-book", "redact", "json-to-msgpack"])("the cases of %s pass", async (name) => {
  const report = await runCases(`${EXAMPLES}${name}/transform.ts`, `${EXAMPLES}${name}/cases`);
  expect(report.cases.flatMap(({ diff }) => diff)).toEqual([]);
  expect(report.passed).toBeGreaterThan(0);
});

/** A top where it differs from the one before; undefined where it does not, and nothing is published. */
function expectedTops(values: readonly unknown[]): (TopOfBook | undefined)[] {
  const plain = new PlainBook();
  let shown = "";
  return values.map((value) => {
    plain.apply(readUpdate(value));
    const top = plain.top(10, 6);
    const text = JSON.stringify({ ...top, ts: 0, u: 0 });
    if (text === shown) return undefined;
    shown = text;
    return top;
  });
}

/** In each of the encodings; `reloadAt` messages into the feed the transform is replaced by a new load. */
async function compareOn(lines: readonly string[], reloadAt: number): Promise<void> {
  const values = lines.map((line) => JSON.parse(line) as unknown);
  for (const encoding of ["json", "msgpack"] as const) {
    const messages = values.map((value) => message("book.feed", value, { encoding }));
    await using it = harness(orderBook);
    const before = await it.run(messages.slice(0, reloadAt));
    await it.reload();
    const after = await it.run(messages.slice(reloadAt));
    const outputs = [...before.outputs, ...after.outputs].map(
      (output) => output?.json() as TopOfBook | undefined,
    );
    expect(outputs).toEqual(expectedTops(values));
  }
}

describe("order-book turns a feed into the tops of the plain twin", () => {
  test("on the fixture", () => compareOn(feedLines(FIXTURE), 20));

  const bybit = recordedFeed("bybit-xrpusdt-orderbook500.ndjson");
  test.skipIf(bybit === null)("on a recorded feed of 500 levels", () =>
    compareOn(feedLines(bybit ?? ""), 30),
  );

  const quotes = recordedFeed("fx-quotes.csv");
  test.skipIf(quotes === null)("on recorded quotes", () =>
    compareOn(
      feedLines(quotes ?? "").map((row, i) => quoteUpdate(row, i + 1)),
      5000,
    ),
  );
});

test("redact does its work on the longest text in a thread of its own", async () => {
  await using it = harness(redact);
  await using thread = it.inWorker(`${EXAMPLES}redact/transform.ts`);
  const sentence =
    "The quarterly settlement was confirmed by Alba Abendroth of the operations desk. ";
  const text = sentence.repeat(Math.ceil((64 * 1024) / sentence.length)).slice(0, 64 * 1024);
  const { outputs } = await thread.run([message("chat.long", text)]);
  expect(outputs[0]?.text()).toBe(text.replaceAll("Alba Abendroth", "**************"));
});
