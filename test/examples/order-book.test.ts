import { describe, expect, test } from "bun:test";

import { BookSide } from "../../examples/transforms/order-book/book-side.ts";
import { OrderBook } from "../../examples/transforms/order-book/order-book.ts";
import { readUpdate, UpdateError } from "../../examples/transforms/order-book/update.ts";
import type { BookUpdate } from "../../examples/transforms/order-book/update.ts";
import { announceSeed, Random } from "../support/random.ts";
import { feedLines, FIXTURE, quoteUpdate, recordedFeed } from "./market-data.ts";
import { PlainBook } from "./plain-book.ts";

const OPTIONS = { levels: 10, maxLevels: 1000, decimals: 6 };

/** Applies every update to both books and compares their tops after each; returns how many there were. */
function compareOn(lines: readonly string[]): number {
  const book = new OrderBook(OPTIONS);
  const plain = new PlainBook();
  for (const line of lines) {
    const update = readUpdate(JSON.parse(line));
    expect(book.apply(update)).toBe("applied");
    plain.apply(update);
    expect(book.top()).toEqual(plain.top(OPTIONS.levels, OPTIONS.decimals));
  }
  return lines.length;
}

describe("the top of the book is that of the plain twin", () => {
  test("on the feed of the fixture", () => {
    expect(compareOn(feedLines(FIXTURE))).toBe(42);
  });

  const bybit = recordedFeed("bybit-xrpusdt-orderbook500.ndjson");
  test.skipIf(bybit === null)("on a recorded feed of 500 levels", () => {
    expect(compareOn(feedLines(bybit ?? ""))).toBe(50);
  });

  const quotes = recordedFeed("fx-quotes.csv");
  test.skipIf(quotes === null)("on recorded quotes, a level each", () => {
    const rows = feedLines(quotes ?? "");
    expect(compareOn(rows.map((row, i) => quoteUpdate(row, i + 1)))).toBe(9500);
  });

  test("on random updates", () => {
    const random = new Random(announceSeed("order-book"));
    const level = (): [number, number] => [
      random.between(1, 60) / 4,
      random.chance(0.3) ? 0 : random.between(1, 9),
    ];
    const book = new OrderBook(OPTIONS);
    const plain = new PlainBook();
    for (let id = 1; id <= 2000; id++) {
      const update: BookUpdate = {
        type: id === 1 || random.chance(0.01) ? "snapshot" : "delta",
        timeMs: id,
        id,
        bids: Array.from({ length: random.below(5) }, level),
        asks: Array.from({ length: random.below(5) }, level),
      };
      book.apply(update);
      plain.apply(update);
      expect(book.top()).toEqual(plain.top(OPTIONS.levels, OPTIONS.decimals));
    }
  });
});

function delta(id: number, bids: BookUpdate["bids"] = []): BookUpdate {
  return { type: "delta", timeMs: id, id, bids, asks: [] };
}

describe("a book", () => {
  const snapshot: BookUpdate = {
    type: "snapshot",
    timeMs: 1,
    id: 5,
    bids: [
      [10, 2],
      [9, 6],
    ],
    asks: [[11, 4]],
  };
  test("has nothing to say before its first snapshot", () => {
    expect(new OrderBook(OPTIONS).apply(delta(6))).toBe("no-snapshot");
  });

  test("waits for a snapshot once it missed an update", () => {
    const book = new OrderBook(OPTIONS);
    book.apply(snapshot);
    expect(book.apply(delta(7))).toBe("gap");
    expect(book.apply(delta(8))).toBe("no-snapshot");
    expect(book.apply(snapshot)).toBe("applied");
  });

  test("is not changed by what it has already", () => {
    const book = new OrderBook(OPTIONS);
    book.apply(snapshot);
    expect(book.apply(delta(5, [[10, 100]]))).toBe("old");
    expect(book.top().bidSize).toBe(2);
  });

  test("weighs prices by their volume", () => {
    const book = new OrderBook(OPTIONS);
    book.apply(snapshot);
    expect(book.top()).toMatchObject({ bid: 10, bidSize: 2, bidVwap: 9.25, ask: 11, askVwap: 11 });
  });

  test("shows a top once, until it changes", () => {
    const book = new OrderBook(OPTIONS);
    book.apply(snapshot);
    expect(book.takeChanged()).not.toBeNull();
    book.apply(delta(6, [[9, 6]]));
    expect(book.takeChanged()).toBeNull();
    book.apply(delta(7, [[9, 7]]));
    expect(book.takeChanged()).toMatchObject({ u: 7 });
  });

  test("goes on elsewhere from its snapshot", () => {
    const book = new OrderBook(OPTIONS);
    book.apply(snapshot);
    book.takeChanged();
    const moved = new OrderBook(OPTIONS, structuredClone(book.snapshot()));
    expect(moved.takeChanged()).toBeNull();
    expect(moved.apply(delta(6, [[10, 0]]))).toBe("applied");
    expect(moved.top()).toMatchObject({ bid: 9, bidSize: 6 });
    expect(moved.snapshot().bids).toEqual([[9, 6]]);
  });

  test("keeps the best levels only", () => {
    const side = new BookSide(true);
    for (let price = 1; price <= 10; price++) side.set(price, 1);
    side.truncate(3);
    expect(side.levels()).toEqual([
      [10, 1],
      [9, 1],
      [8, 1],
    ]);
  });
});

test.each([
  [null, "the payload is no object"],
  [{ type: "trade" }, 'type is "trade", neither snapshot nor delta'],
  [{ type: "delta", ts: 1 }, "data is no object"],
  [{ type: "delta", ts: "", data: { u: 1, b: [], a: [] } }, "ts is no number"],
  [{ type: "delta", ts: 1, data: { u: 1, b: [["1.5"]], a: [] } }, "data.b[0][1] is no number"],
  [{ type: "delta", ts: 1, data: { u: 1, b: [], a: [["-1", "2"]] } }, "data.a[0] is below zero"],
])("an update such as %j is refused", (value, message) => {
  expect(() => readUpdate(value)).toThrow(new UpdateError(message));
});
