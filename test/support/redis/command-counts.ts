import type { RedisServer } from "./redis-server.ts";

/** How often a server has executed each command, those of scripts included. */
export type CommandCounts = ReadonlyMap<string, number>;

export async function commandCounts(server: RedisServer): Promise<CommandCounts> {
  const counts = new Map<string, number>();
  for (const [name, stats] of await server.info("commandstats")) {
    const calls = Number(/calls=(\d+)/.exec(stats)?.[1] ?? 0);
    counts.set(name.replace(/^cmdstat_/, ""), calls);
  }
  return counts;
}

/** What was executed in between, without what was not. */
export function countsBetween(before: CommandCounts, after: CommandCounts): Map<string, number> {
  const between = new Map<string, number>();
  for (const [name, count] of after) {
    const more = count - (before.get(name) ?? 0);
    if (more > 0) between.set(name, more);
  }
  return between;
}

/** Reads of histories and positions: what recoveries could cost. Everything else is the nodes' housekeeping. */
export function streamReads(counts: CommandCounts): number {
  return ["xrange", "xrevrange", "xread", "hmget"].reduce(
    (sum, name) => sum + (counts.get(name) ?? 0),
    0,
  );
}
