/**
 * The benchmark over Redis once, with real servers and real nodes and as little load as it takes: that it
 * measures, checks, reports and leaves nothing behind. What it measures is not looked at.
 */
import { expect, test } from "bun:test";

import type { RedisReport } from "../../bench/redis/redis-report.ts";
import { describeWithRedis } from "../support/redis/binary.ts";
import { startRedis } from "../support/redis/start-redis.ts";
import { bench, BENCH_ENTRY, childrenOf, gone } from "./bench-process.ts";

const QUICK = ["--redis", "--rounds", "1", "--seconds", "0.2", "--warm-up", "0.1"];
const LIMIT_MS = 60_000;

describeWithRedis("the benchmark over Redis", () => {
  test(
    "measures Redis and both nodes, and finds every delivery in order",
    async () => {
      const { stdout, stderr, code } = await bench(...QUICK, "--shapes", "1:1,channels", "--json");
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const report = JSON.parse(stdout) as RedisReport;
      expect(report.redis).toMatch(/^\d+\./);
      expect(report.cells).toHaveLength(4);
      for (const { cell, load, error } of report.cells) {
        expect({ cell, error }).toMatchObject({ error: null });
        expect(load?.faults.first).toBeNull();
        expect(load?.deliveries).toBeGreaterThan(0);
        const { publish = 0, xadd = 0 } = load?.redis?.commands ?? {};
        expect(publish).toBeGreaterThan(0);
        expect(xadd > 0).toBe(cell.history === "recoverable");
      }
      expect(report.groups.map(({ shape, history }) => `${shape} ${history}`)).toEqual([
        "1:1 plain",
        "1:1 recoverable",
        "channels plain",
        "channels recoverable",
      ]);
      for (const { verdicts, callsPerPublication } of report.groups) {
        expect(callsPerPublication?.median).toBeGreaterThan(0);
        expect(verdicts.map(({ what }) => what)).toEqual(["calls", "publicationsPerCore"]);
      }
    },
    LIMIT_MS,
  );

  test(
    "uses a server that runs already, removes what it left there, and prints tables",
    async () => {
      await using redis = await startRedis({ password: "not to be shown" });
      const only = ["--shapes", "1:1", "--histories", "recoverable", "--redis-url", redis.url];
      const { stdout, stderr, code } = await bench(...QUICK, ...only, "--batch", "8");
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(stdout).toContain("Rates, closed loop");
      expect(stdout).toContain("1 Redis server(s) between them; 8 publish frame(s) a message");
      expect(stdout).toContain("Redis calls per publication");
      expect(stdout).toContain("Every delivery arrived once, whole and in order.");
      expect(stderr).toContain("[1/1] round 1  1:1       recoverable");
      expect(await redis.command("DBSIZE")).toBe(0);
      expect(stdout + stderr).not.toContain("not%20to%20be%20shown");
    },
    LIMIT_MS,
  );

  test.skipIf(Bun.which("ps") === null)(
    "takes its processes along when it is interrupted (needs ps)",
    async () => {
      const argv = ["--redis", "--shapes", "1:1", "--seconds", "60"];
      const child = Bun.spawn([process.execPath, BENCH_ENTRY, ...argv], {
        stdout: "ignore",
        stderr: "ignore",
      });
      // Redis, two nodes and the generator.
      const children = await childrenOf(child.pid, 4);
      child.kill("SIGINT");
      expect(await child.exited).toBe(130);
      for (const pid of children) await gone(pid);
    },
    LIMIT_MS,
  );
});

test(
  "ends with 1 and says why when the server it is given does not answer",
  async () => {
    // Nobody listens on port 1 of this machine.
    const only = ["--shapes", "1:1", "--histories", "plain", "--redis-url", "redis://127.0.0.1:1"];
    const { stdout, code } = await bench(...QUICK, ...only);
    expect(code).toBe(1);
    expect(stdout).toContain("1:1, plain, 64 B: not run: Redis at 127.0.0.1:1 does not");
  },
  LIMIT_MS,
);

test("says in a sentence that there is no redis-server", async () => {
  const child = Bun.spawn([process.execPath, BENCH_ENTRY, ...QUICK], {
    env: { ...process.env, PATH: "", TICKWIRE_REDIS_SERVER: "" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const stderr = await new Response(child.stderr).text();
  expect(await child.exited).toBe(1);
  expect(stderr).toStartWith("There is no redis-server 7 or later on the PATH.");
});
