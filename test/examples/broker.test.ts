import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

import { connect } from "../../client/index.ts";
import type { Subscription } from "../../client/index.ts";
import type { TopOfBook } from "../../examples/transforms/order-book/order-book.ts";
import { failureOf } from "../support/failure.ts";
import { startBrokerProcess } from "../support/process.ts";
import { feedLines, FIXTURE } from "./market-data.ts";

// The examples as an operator binds them: a broker in a process of its own, clients on real sockets.

function moduleOf(name: string): string {
  return fileURLToPath(new URL(`../../examples/transforms/${name}/transform.ts`, import.meta.url));
}

const BINDINGS = [
  { use: moduleOf("order-book"), channels: ["book.>"], onError: "nack" },
  { use: moduleOf("redact"), channels: ["chat.>"], onError: "dead-letter:failed.chat" },
  { use: moduleOf("json-to-msgpack"), channels: ["trades.>"], onError: "nack" },
];

async function take<T>(subscription: Subscription<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const { data } of subscription) if (taken.push(data) === count) break;
  return taken;
}

test("the examples do their work in a broker, together", async () => {
  await using broker = await startBrokerProcess(["--transforms", JSON.stringify(BINDINGS)]);
  const client = await connect(broker.url);
  const books = client.subscribe("book.test", { decode: "text" });
  const chat = client.subscribe("chat.lobby", { decode: "text" });
  const failedChat = client.subscribe("failed.chat", { decode: "bytes" });
  const trades = client.subscribe("trades.xrp");
  await Promise.all([books, chat, failedChat, trades].map((subscription) => subscription.ready()));

  const updates = feedLines(FIXTURE);
  const places = await Promise.all(
    updates.map((line) => client.publish("book.test", line, { encode: "text" })),
  );
  const published = places.filter(({ offset }) => offset > 0);
  const tops = (await take(books, published.length)).map((text) => JSON.parse(text) as TopOfBook);
  // In the order of the feed, each later than the one before; the last snapshot begins its numbers anew.
  expect(tops.map(({ ts }) => ts)).toEqual(tops.map(({ ts }) => ts).toSorted((a, b) => a - b));
  expect(tops.at(-1)).toMatchObject({ u: 1 });
  const gap = updates[5] ?? "";
  const missed = await failureOf(client.publish("book.test", gap, { encode: "text" }));
  expect(missed).toMatchObject({ code: "transform_rejected" });

  await client.publish("chat.lobby", "hello Alba Abendroth", { encode: "text" });
  expect(await take(chat, 1)).toEqual(["hello **************"]);
  await client.publish("chat.lobby", new Uint8Array([0xff, 0xfe]));
  expect(await take(failedChat, 1)).toEqual([new Uint8Array([0xff, 0xfe])]);

  const trade = { type: "trade", symbol: "XRP-USDT", side: "buy", price: 1.95, quantity: 3 };
  await client.publish("trades.xrp", { ...trade, time: 5 }, { encode: "json" });
  expect(await take(trades, 1)).toEqual([{ ...trade, time: 5 }]);
  const refused = await failureOf(client.publish("trades.xrp", trade, { encode: "json" }));
  expect(refused).toMatchObject({ code: "transform_rejected" });
  expect(refused.message).toContain("time: Invalid input");
  await client.close();
});
