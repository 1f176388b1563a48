import { expect, test } from "bun:test";

import { parseOptions } from "../../bench/options.ts";
import type { BenchOptions } from "../../bench/options.ts";
import { UsageError } from "../../bench/support/arguments.ts";

function parse(...argv: string[]): BenchOptions {
  const options = parseOptions(argv);
  if (options === "help") throw new Error("help was not asked for");
  return options;
}

test("without options it measures every shape with both brokers, and latency", () => {
  const options = parse();
  expect(options.shapes.map((shape) => shape.name)).toEqual(["1:1", "1:100", "1:1000", "pairs"]);
  expect(options.payloads).toEqual([64, 1024]);
  expect(options.brokers).toEqual(["tickwire", "bare"]);
  expect(options).toMatchObject({
    batch: 1,
    measuresLatency: true,
    latencyLoad: 0.1,
    access: "token",
  });
});

test("takes what it is told", () => {
  const argv =
    "--rounds 2 --seconds 0.25 --warm-up=0.1 --shapes pairs,1:1,1:1 --payloads=256 --brokers=bare --batch=8";
  const options = parse(...argv.split(" "), "--no-latency", "--no-pin", "--json");
  expect(options).toMatchObject({
    rounds: 2,
    measureMs: 250,
    warmUpMs: 100,
    payloads: [256],
    brokers: ["bare"],
    batch: 8,
    measuresLatency: false,
    pins: false,
    json: true,
  });
  expect(options.shapes.map((shape) => shape.name)).toEqual(["pairs", "1:1"]);
});

test("with a URL it loads the broker there, and only that", () => {
  const { running, brokers } = parse("--url", "ws://127.0.0.1:9300", "--pid", "7", "--token", "t");
  expect(running).toEqual({ hostname: "127.0.0.1", port: 9300, pid: 7, token: "t" });
  expect(brokers).toEqual(["tickwire"]);
});

test("help comes before everything else that is asked", () => {
  expect(parseOptions(["--json", "--help"])).toBe("help");
});

const mistakes: readonly (readonly [string[], string])[] = [
  [["--rounds", "0"], "--rounds must be a whole number from 1"],
  [["--rounds", "1.5"], "--rounds must be a whole number"],
  [["--rounds", ""], "--rounds must be a whole number"],
  [["--seconds", "soon"], "--seconds must be from"],
  [["--shapes", "1:2"], "1:2 is none of 1:1, 1:100"],
  [["--payloads", "64,8"], "--payloads must be a whole number from 16"],
  [["--brokers", "nats"], "nats is neither"],
  [["--load", "0"], "--load must be above 0"],
  [["--access", "none"], "none is neither"],
  [["--url", "http://127.0.0.1"], "ws://host:port"],
  [["--pid", "7"], "go with --url"],
  [["--fast"], "--fast"],
  [["1:1"], "1:1"],
];

test.each(mistakes)("refuses %p and says why", (argv, message) => {
  expect(() => parseOptions(argv)).toThrow(UsageError);
  expect(() => parseOptions(argv)).toThrow(message);
});
