import { describe, expect, test } from "bun:test";

import { runCli, startBrokerProcess } from "../support/process.ts";
import { startRedis } from "../support/redis/start-redis.ts";

/** Names of the nodes that answer on the port; each connection lands on any of them. */
async function nodesOf(
  httpUrl: string,
  isEnough: (nodes: Set<string>) => boolean,
): Promise<Set<string>> {
  const nodes = new Set<string>();
  while (!isEnough(nodes)) {
    try {
      // A connection of its own each time: one that is kept stays with its node.
      const response = await fetch(`${httpUrl}/health`, { headers: { connection: "close" } });
      const { node } = (await response.json()) as { node: string };
      nodes.add(node);
    } catch (error) {
      // A node that has just been killed may take a connection along.
      if (!(error instanceof Error)) throw error;
    }
  }
  return nodes;
}

function eventsOf(log: string, event: string): Record<string, unknown>[] {
  return log
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((entry) => entry["event"] === event);
}

describe("serve --nodes", () => {
  test("without Redis is refused: the processes would share nothing", async () => {
    const { code, stderr } = await runCli(["serve", "--nodes", "2", "--port", "0"]);
    expect(code).toBe(1);
    expect(stderr).toContain("share nothing without Redis");
  });

  test("a node that cannot start is told of once, by itself, and ends the others", async () => {
    await using redis = await startRedis();
    const flags = ["--nodes", "2", "--redis", redis.url, "--port", "0", "--transforms"];
    const binding = { id: "lost", use: "./nowhere.ts", channels: ["a.>"], onError: "nack" };
    const { code, stdout, stderr } = await runCli(["serve", ...flags, JSON.stringify([binding])]);
    expect(code).toBe(1);
    expect(stderr.match(/cannot be loaded/g)).toHaveLength(1);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(eventsOf(stdout, "node_ended")).toEqual([]);
  });

  test("for people, tells what its nodes log in lines for people too", async () => {
    const binding = { id: "lost", use: "./nowhere.ts", channels: ["a.>"], onError: "nack" };
    const flags = ["--nodes", "2", "--log", "pretty", "--port", "0"];
    // Nothing listens on port 1, so that the first node warns before it gives up.
    const parts = ["--redis", "redis://127.0.0.1:1", "--transforms", JSON.stringify([binding])];
    const { code, stdout, stderr } = await runCli(["serve", ...flags, ...parts]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^[\d:.]+ warn {2}redis_unreachable shard=0 .*ECONNREFUSED/m);
    expect(stderr).toContain("cannot be loaded");
  });

  test("serves from all, starts a crashed one again, replaces them on SIGHUP and ends them on SIGTERM", async () => {
    await using redis = await startRedis();
    const flags = ["--nodes", "2", "--node", "box", "--redis", redis.url];
    await using group = await startBrokerProcess(flags);
    const names = await nodesOf(group.httpUrl, (nodes) => nodes.size === 2);
    expect([...names].toSorted()).toEqual(["box_0", "box_1"]);
    expect(eventsOf(group.log, "listening")).toHaveLength(1);

    group.kill("SIGHUP");
    await group.untilLog((log) => eventsOf(log, "node_replaced").length === 2);
    const pids = eventsOf(group.log, "node_replaced").map(({ pid }) => Number(pid));
    process.kill(pids[0] as number, "SIGKILL");
    await group.untilLog((log) => eventsOf(log, "node_ended").length === 1);
    await nodesOf(group.httpUrl, (nodes) => nodes.size === 2);

    group.kill("SIGTERM");
    expect(await group.exited).toBe(0);
    expect(() => process.kill(pids[1] as number, 0)).toThrow("ESRCH");
  });
});
