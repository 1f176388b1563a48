/**
 * The whole benchmark once, with the real broker in its own process and as little load as it takes: that
 * it measures, checks and reports. What it measures is not looked at.
 */
import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

import type { Report } from "../../bench/report.ts";
import { bench, BENCH_ENTRY, childrenOf, gone } from "./bench-process.ts";

const QUICK = ["--rounds", "1", "--seconds", "0.2", "--warm-up", "0.1", "--payloads", "64"];

const LIMIT_MS = 60_000;

test(
  "measures capacity and latency of both brokers and finds every delivery in order",
  async () => {
    const { stdout, stderr, code } = await bench(...QUICK, "--shapes", "1:1", "--json");
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const report = JSON.parse(stdout) as Report;
    expect(report.environment.bun).toBe(Bun.version);
    expect(report.cells).toHaveLength(4);
    for (const { cell, load, error } of report.cells) {
      expect({ cell, error }).toMatchObject({ error: null });
      expect(load?.faults.first).toBeNull();
      expect(load?.elapsedMs).toBeGreaterThan(0);
    }
    expect(report.groups.map(({ pace, brokers }) => [pace, brokers.map((b) => b.broker)])).toEqual([
      ["closed", ["tickwire", "bare"]],
      ["open", ["tickwire", "bare"]],
    ]);
  },
  LIMIT_MS,
);

test(
  "sends several frames a message when told to, and prints a table",
  async () => {
    const only = ["--brokers", "tickwire", "--batch", "16", "--no-latency", "--shapes", "1:1"];
    const { stdout, stderr, code } = await bench(...QUICK, ...only);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toContain("Capacity, closed loop");
    expect(stdout).toContain("16 publish frame(s) a message");
    expect(stdout).toContain("Every delivery arrived once, whole and in order.");
    expect(stderr).toContain("[1/1] round 1  tickwire");
  },
  LIMIT_MS,
);

test(
  "ends with 1 and says why when a broker cannot be started",
  async () => {
    const only = ["--brokers", "tickwire", "--no-latency", "--shapes", "1:1"];
    const broken = fileURLToPath(new URL("../../bench/README.md", import.meta.url));
    const { stdout, code } = await bench(...QUICK, ...only, "--entry", broken);
    expect(code).toBe(1);
    expect(stdout).toContain("not run: the broker did not start");
  },
  LIMIT_MS,
);

test("prints its usage on request, and a hint when an option is wrong", async () => {
  const help = await bench("--help");
  expect(help).toMatchObject({ code: 0, stderr: "" });
  expect(help.stdout).toContain("--rounds N");
  const wrong = await bench("--rounds", "none");
  expect(wrong).toMatchObject({ code: 2, stdout: "" });
  expect(wrong.stderr).toContain("--rounds must be a whole number");
});

test.skipIf(Bun.which("ps") === null)(
  "takes its processes along when it is interrupted (needs ps)",
  async () => {
    const argv = ["--shapes", "1:1", "--brokers", "bare", "--seconds", "60"];
    const child = Bun.spawn([process.execPath, BENCH_ENTRY, ...argv], {
      stdout: "ignore",
      stderr: "ignore",
    });
    const children = await childrenOf(child.pid, 2);
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    for (const pid of children) await gone(pid);
  },
  LIMIT_MS,
);
