import { expect, test } from "bun:test";

import { TickwireClient } from "../../client/index.ts";
import { CliProcess, runCli, startBrokerProcess } from "../support/process.ts";
import type { BrokerProcess } from "../support/process.ts";
import { subscribeFrame } from "../support/protocol-client.ts";
import { StallingClient } from "../support/stalling-client.ts";

const SLOW_MS = 50;

/** Has a subscriber wait for its socket for longer than the budget, and read on. */
async function makeSlow(broker: BrokerProcess): Promise<void> {
  await using stalled = await StallingClient.connect(broker.url);
  stalled.send(subscribeFrame(2, "feed.a"));
  await stalled.until(() => stalled.frames.length === 2);
  stalled.socket.pause();
  await using publisher = new TickwireClient(broker.url);
  const queuedBytes = async (): Promise<number> => {
    const metrics = await (await fetch(`${broker.httpUrl}/metrics`)).text();
    return Number(/^tickwire_outbound_queued_bytes (\d+)$/m.exec(metrics)?.[1] ?? 0);
  };
  let count = 0;
  while ((await queuedBytes()) < 500_000) {
    await publisher.publish("feed.a", new Uint8Array(32 * 1024));
    count++;
  }
  const behindMs = performance.now();
  while (performance.now() - behindMs < 2 * SLOW_MS) await queuedBytes();
  stalled.socket.resume();
  await stalled.until(() => stalled.publications.length === count);
}

test("slow lists who got it too late, with the trace that explains it", async () => {
  await using broker = await startBrokerProcess([
    "--node=n_one",
    `--slow-ms=${SLOW_MS}ms`,
    "--outbound-bytes=67108864",
  ]);
  const env = { TICKWIRE_URL: broker.url };
  const before = await runCli(["slow"], { env });
  expect(before).toMatchObject({ code: 0, stdout: "nobody was slow in the last five minutes\n" });
  await makeSlow(broker);
  const { code, stdout } = await runCli(["slow"], { env });
  expect(code).toBe(0);
  const [head = "", row = "", ...more] = stdout.trimEnd().split("\n");
  expect(more).toEqual([]);
  expect(head).toMatch(/^ +worst +count +seen +channel +user +connection +node +last +trace$/);
  expect(row).toMatch(
    /^ +[\d.]+ m?s +\d+ +queue +feed\.a +- +c_\S+ +n_one +[\d:]{8} +[0-9a-f]{32}$/,
  );
  const json = JSON.parse((await runCli(["slow", "--json"], { env })).stdout) as {
    worstMs: number;
    traceId: string;
  }[];
  expect(json[0]?.worstMs).toBeGreaterThan(SLOW_MS);
  const trace = await runCli(["trace", json[0]?.traceId ?? ""], { env });
  expect(trace.stdout).toContain("waiting for the subscriber's socket.");
  expect((await runCli(["slow", "--limit", "1", "--json"], { env })).code).toBe(0);
});

test("slow --watch looks again and again, until Ctrl-C", async () => {
  await using broker = await startBrokerProcess();
  const args = ["slow", "--watch", "--url", broker.url];
  await using watching = new CliProcess(args);
  await watching.untilStdout((text) => text.split("\n").length > 2);
  watching.kill("SIGINT");
  expect(await watching.exited).toBe(0);
});

test.each<[string[], string]>([
  [["now"], "takes no arguments"],
  [["--limit", "0"], "--limit must be a whole number, 1 to 1000"],
  [["--url", "ftp://b"], "is no URL of a broker"],
  [["--token", "a.b.c\r"], "the token has a space, a line end or another character"],
])("slow %j exits with 2", async (args, sentence) => {
  const { code, stdout, stderr } = await runCli(["slow", ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(sentence);
});
