import { describe, expect, test } from "bun:test";

import { FileFeed } from "../../../cli/demo/file-feed.ts";
import { detectLineTime, firstColumnTime } from "../../../cli/demo/line-time.ts";
import { MarketFeed } from "../../../cli/demo/market-feed.ts";
import { TempFolder } from "../../support/temp-folder.ts";

const line = (text: string): Uint8Array => Buffer.from(text);

function beginning(seed: number): string[] {
  const feed = new MarketFeed(seed, 1000);
  return Array.from({ length: 200 }, () => Buffer.from(feed.next().payload).toString());
}

describe("the made-up feed", () => {
  test("is the same for the same seed, and another for another", () => {
    expect(beginning(7)).toEqual(beginning(7));
    expect(beginning(8)).not.toEqual(beginning(7));
  });

  test("comes at about the rate asked for, with bursts, and never goes back", () => {
    const feed = new MarketFeed(1, 2000);
    const perSecond = Array.from({ length: 300 }, () => 0);
    let lastMs = 0;
    let isAscending = true;
    for (let item = feed.next(); item.dueMs < 300_000; item = feed.next()) {
      isAscending &&= item.dueMs >= lastMs;
      lastMs = item.dueMs;
      const second = Math.floor(item.dueMs / 1000);
      perSecond[second] = (perSecond[second] ?? 0) + 1;
    }
    expect(isAscending).toBe(true);
    const mean = perSecond.reduce((sum, count) => sum + count, 0) / perSecond.length;
    expect(mean).toBeGreaterThan(1500);
    expect(mean).toBeLessThan(2500);
    expect(Math.max(...perSecond)).toBeGreaterThan(1.5 * mean);
  });

  test("is JSON whose ask is above its bid", () => {
    const feed = new MarketFeed(3, 2000);
    for (let i = 0; i < 5000; i++) {
      const { channel, payload } = feed.next();
      const quote = JSON.parse(Buffer.from(payload).toString()) as Record<string, number>;
      expect(channel).toBe(`market.${quote["symbol"]}`);
      expect(quote["seq"]).toBe(i + 1);
      expect(quote["ask"]).toBeGreaterThanOrEqual(quote["bid"] as number);
    }
  });
});

describe("a recorded feed", () => {
  test("is played with its own gaps, and again from the start", async () => {
    await using folder = await TempFolder.create();
    const file = await folder.write("q.csv", "1733011200000,a\n1733011200100,b\n1733011200300,c\n");
    const feed = new FileFeed(file, 2, 1000);
    const items = Array.from({ length: 5 }, () => feed.next());
    expect(items.map(({ payload }) => Buffer.from(payload).toString().slice(-1))).toEqual([
      "a",
      "b",
      "c",
      "a",
      "b",
    ]);
    expect(items.map(({ dueMs }) => dueMs)).toEqual([0, 50, 150, 151, 201]);
    expect(feed.channels).toEqual(["market.q"]);
  });

  test("is played faster when it would last too long", async () => {
    await using folder = await TempFolder.create();
    const file = await folder.write("slow.ndjson", '{"ts":1733011200000}\n{"ts":1733011300000}\n');
    const feed = new FileFeed(file, null, 1000);
    feed.next();
    expect(feed.next().dueMs).toBe(1000);
  });

  test("names its channels after the symbols of its lines", async () => {
    await using folder = await TempFolder.create();
    const file = await folder.write("x y.ndjson", '{"s":"B"}\n{"s":"A"}\n{"data":{"s":"A"}}\n{}\n');
    expect(new FileFeed(file, null, 1000).channels).toEqual(["market.a", "market.b", "market.x-y"]);
  });
});

describe("the time of a line", () => {
  test.each([
    ["1733011200691,1.95", 1733011200691],
    ["1733011200.691;1.95", 1733011200691],
    ["1733011200691000\t1", 1733011200691],
    ["1733011200691000000,1", 1733011200691],
    ["20200101 170010447,1.121200", Date.UTC(2020, 0, 1, 17, 0, 10, 447)],
    ["20200101 170010,1.121200", Date.UTC(2020, 0, 1, 17, 0, 10)],
    ['"2020-01-01T17:00:10Z",1', Date.UTC(2020, 0, 1, 17, 0, 10)],
    ["2020-01-01 17:00:10Z,1", Date.UTC(2020, 0, 1, 17, 0, 10)],
    ["symbol,bid", null],
    ["", null],
  ])("%j in the first column is %p", (text, timeMs) => {
    expect(firstColumnTime(line(text))).toBe(timeMs);
  });

  test("is found in JSON, whatever its unit", () => {
    const found = detectLineTime(line('{"topic":"x","ts":1733011200}'));
    expect(found?.name).toBe("the field ts");
    expect(found?.timeOf(line('{"ts":1733011201}'))).toBe(1733011201000);
    expect(detectLineTime(line('{"data":{"ts":5}}'))?.name).toBe("the field data.ts");
    expect(detectLineTime(line('{"price":5}'))).toBeNull();
  });
});
