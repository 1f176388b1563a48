import { expect, test } from "bun:test";

import { redisCells } from "../../bench/redis/redis-bench.ts";
import { parseRedisOptions } from "../../bench/redis/redis-options.ts";
import type { RedisBenchOptions } from "../../bench/redis/redis-options.ts";
import { UsageError } from "../../bench/support/arguments.ts";

function parse(...argv: string[]): RedisBenchOptions {
  const options = parseRedisOptions(["--redis", ...argv]);
  if (options === "help") throw new Error("help was not asked for");
  return options;
}

test("without options it measures every shape with and without history, on a server of its own", () => {
  const options = parse();
  expect(options.shapes.map((shape) => shape.name)).toEqual(["1:1", "1:100", "channels"]);
  expect(options).toMatchObject({
    histories: ["plain", "recoverable"],
    payloads: [64],
    batch: 1,
    redisUrls: [],
  });
});

test("takes what it is told", () => {
  const argv = "--rounds 2 --seconds 0.25 --warm-up=0.1 --shapes channels --histories plain";
  const urls = "redis://127.0.0.1:7001,rediss://127.0.0.1:7002";
  const options = parse(...argv.split(" "), "--redis-url", urls, "--batch=8", "--json");
  expect(options).toMatchObject({
    rounds: 2,
    measureMs: 250,
    warmUpMs: 100,
    histories: ["plain"],
    batch: 8,
    redisUrls: urls.split(","),
    json: true,
  });
});

test("every round runs every cell once, and turns the order of the one before round", () => {
  const cells = redisCells(parse("--rounds", "2", "--shapes", "1:1,1:100"));
  const named = cells.map(({ round, shape, history }) => `${round} ${shape.name} ${history}`);
  expect(named).toEqual([
    "1 1:1 plain",
    "1 1:1 recoverable",
    "1 1:100 plain",
    "1 1:100 recoverable",
    "2 1:100 recoverable",
    "2 1:100 plain",
    "2 1:1 recoverable",
    "2 1:1 plain",
  ]);
});

const mistakes: readonly (readonly [string[], string])[] = [
  [["--rounds", "0"], "--rounds must be a whole number from 1"],
  [["--shapes", "pairs"], "pairs is none of 1:1, 1:100, channels"],
  [["--histories", "long"], "long is neither plain nor recoverable"],
  [["--payloads", "8"], "--payloads must be a whole number from 16"],
  [["--redis-url", "127.0.0.1:6379"], "redis://host:port"],
  [["--url", "ws://127.0.0.1"], "--url"],
];

test.each(mistakes)("refuses %p and says why", (argv, message) => {
  expect(() => parse(...argv)).toThrow(UsageError);
  expect(() => parse(...argv)).toThrow(message);
});
