import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { FaultProxy } from "../support/fault-proxy.ts";
import { oddFeed } from "../support/odd-feed.ts";
import { CliProcess, runCli, startBrokerProcess } from "../support/process.ts";
import { announceSeed, Random } from "../support/random.ts";
import { TempFolder } from "../support/temp-folder.ts";

// Aim: what comes out of `sub --raw` is byte for byte what went into `pub --file`.
// Method: a broker, two subscribers (one by name, one by pattern) and a publisher, each in a process of its own.

const DATA =
  process.env["TICKWIRE_DATA"] ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
const FEEDS = ["bybit-xrpusdt-orderbook500.ndjson", "fx-quotes.csv"];
const CHANNEL = "market.xrp.quotes";
const NEWLINE = 0x0a;

const seed = announceSeed("feed");

describe("a recorded feed comes out as it went in", () => {
  for (const name of FEEDS) {
    const path = join(DATA, name);
    const isThere = existsSync(path);
    if (!isThere)
      process.stderr.write(
        `SKIPPED ${name}: there is no ${path}; TICKWIRE_DATA names the folder\n`,
      );
    test.skipIf(!isThere)(name, async () => {
      await using broker = await startBrokerProcess();
      const bytes = readFileSync(path);
      await using exact = await subscribe(broker.url, CHANNEL, bytes);
      await using pattern = await subscribe(broker.url, "market.>", bytes);
      const { code, stderr } = await publish(broker.url, path);
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("published") });
      process.stderr.write(`${name}: ${bytes.length} bytes, SHA-256 ${sha256(bytes)}\n`);
      await expectBytes(exact, bytes);
      await expectBytes(pattern, bytes);
    });
  }
});

test("a feed of odd bytes comes out as it went in", async () => {
  await using folder = await TempFolder.create();
  await using broker = await startBrokerProcess();
  const bytes = oddFeed(new Random(seed), 3000);
  const path = await writeFeed(folder, bytes);
  await using exact = await subscribe(broker.url, CHANNEL, bytes);
  await using pattern = await subscribe(broker.url, "market.*.quotes", bytes);
  const { code } = await publish(broker.url, path);
  expect(code).toBe(0);
  await expectBytes(exact, bytes);
  await expectBytes(pattern, bytes);
});

test("a last line without a line end is a line, and comes out with one", async () => {
  await using folder = await TempFolder.create();
  await using broker = await startBrokerProcess();
  const path = await writeFeed(folder, Buffer.from("one\n\nthree"));
  const expected = Buffer.from("one\n\nthree\n");
  await using exact = await subscribe(broker.url, CHANNEL, expected);
  expect((await publish(broker.url, path)).code).toBe(0);
  await expectBytes(exact, expected);
});

// The subscriber recovers by offset, and the publisher repeats by id what was not acknowledged.
test("connections that are reset in the middle change nothing", async () => {
  const random = new Random(seed);
  await using folder = await TempFolder.create();
  // The history must hold what is published while the subscriber is away.
  await using broker = await startBrokerProcess(["--history-size", "20000"]);
  await using toPublisher = await FaultProxy.start(broker.port);
  await using toSubscriber = await FaultProxy.start(broker.port);
  const bytes = oddFeed(random, 6000);
  const path = await writeFeed(folder, bytes);
  await using exact = await subscribe(url(toSubscriber), CHANNEL, bytes, ["--strict"]);
  await using pattern = await subscribe(broker.url, "market.>", bytes);
  await using publisher = new CliProcess([
    "pub",
    CHANNEL,
    "--file",
    path,
    "--url",
    url(toPublisher),
  ]);
  const [pubResets, subResets] = await Promise.all([
    resetOnTheWay(toPublisher, bytes.length, random),
    resetOnTheWay(toSubscriber, bytes.length, random),
  ]);
  expect([pubResets, subResets]).toEqual([3, 3]);
  expect(await publisher.exited).toBe(0);
  expect(publisher.stderr).toContain("published 6,000 publications");
  await expectBytes(exact, bytes);
  await expectBytes(pattern, bytes);
  expect(exact.stderr).toContain(`${CHANNEL}: recovered`);
});

/** Resets the connections three times, at bytes of the feed's way that the seed chooses. Returns how many it cut. */
async function resetOnTheWay(
  proxy: FaultProxy,
  feedBytes: number,
  random: Random,
): Promise<number> {
  let cut = 0;
  const places = [0.1, 0.4, 0.7].map((part) => (part + random.below(100) / 500) * feedBytes);
  for (const place of places) {
    await proxy.until(({ forwardedBytes }) => forwardedBytes > place);
    cut += proxy.resetAll();
    await proxy.until(({ connections }) => connections > 0);
  }
  return cut;
}

function url(proxy: FaultProxy): string {
  return `ws://127.0.0.1:${proxy.port}`;
}

async function writeFeed(folder: TempFolder, bytes: Uint8Array): Promise<string> {
  const path = join(folder.path, "feed");
  await Bun.write(path, bytes);
  return path;
}

/** Starts a subscriber that ends after as many lines as there are in `bytes`, and waits until it is subscribed. */
async function subscribe(
  brokerUrl: string,
  name: string,
  bytes: Uint8Array,
  args: readonly string[] = [],
): Promise<CliProcess> {
  const count = bytes.reduce((sum, byte) => sum + (byte === NEWLINE ? 1 : 0), 0);
  const command = new CliProcess([
    "sub",
    name,
    "--raw",
    "--url",
    brokerUrl,
    "--count",
    `${count}`,
    ...args,
  ]);
  await command.untilStderr((text) => text.includes(`subscribed to ${name}`));
  return command;
}

function publish(brokerUrl: string, path: string): Promise<{ code: number; stderr: string }> {
  return runCli(["pub", CHANNEL, "--file", path, "--url", brokerUrl]);
}

async function expectBytes(command: CliProcess, expected: Uint8Array): Promise<void> {
  const code = await command.exited;
  const { stdoutBytes: bytes, stderr } = command;
  expect({ code, length: bytes.length, hash: sha256(bytes), stderr }).toEqual({
    code: 0,
    length: expected.length,
    hash: sha256(expected),
    stderr,
  });
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
