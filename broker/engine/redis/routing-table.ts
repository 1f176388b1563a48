import { patternCovers, patternsMeet } from "../../../protocol/channel-name.ts";
import type { NamespaceOptions } from "../../channels/namespace.ts";

/** A namespace, as far as it concerns over which pub/sub channel its publications go. */
export type RoutedPattern = Pick<NamespaceOptions, "pattern" | "routing">;

const ALL: RoutedPattern = { pattern: ">", routing: "partition" };

/**
 * How channels are routed, as text: one line for each pattern. The first that matches wins, and the last matches
 * everything. Namespaces that make no difference are left out, and those whose order makes none are sorted, so that
 * nodes with the same text agree on every channel, whatever else their namespaces differ in.
 */
export function routingText(namespaces: readonly RoutedPattern[] = [ALL]): string {
  const kept: RoutedPattern[] = [];
  const reached = namespaces.filter(
    ({ pattern }, i) => !namespaces.slice(0, i).some((one) => patternCovers(one.pattern, pattern)),
  );
  for (const entry of reached.toReversed()) {
    if (kept.length === 0 || !isRedundant(entry, kept)) kept.unshift(entry);
  }
  const lines: string[] = [];
  while (kept.length > 0) {
    let next = 0;
    for (let i = 1; i < kept.length; i++) {
      const entry = kept[i] as RoutedPattern;
      if (!isFree(entry, kept.slice(0, i))) continue;
      if (lineOf(entry) < lineOf(kept[next] as RoutedPattern)) next = i;
    }
    lines.push(...kept.splice(next, 1).map((entry) => lineOf(entry)));
  }
  return lines.join("\n");
}

function lineOf({ pattern, routing }: RoutedPattern): string {
  return `${pattern} ${routing}`;
}

/** Whether its channels would go the same way without it. */
function isRedundant(entry: RoutedPattern, later: readonly RoutedPattern[]): boolean {
  for (const other of later) {
    if (!patternsMeet(entry.pattern, other.pattern)) continue;
    if (other.routing !== entry.routing) return false;
    if (patternCovers(other.pattern, entry.pattern)) return true;
  }
  return false;
}

/** Whether it may as well stand before these. */
function isFree(entry: RoutedPattern, before: readonly RoutedPattern[]): boolean {
  return before.every(
    ({ pattern, routing }) => routing === entry.routing || !patternsMeet(pattern, entry.pattern),
  );
}

/** The option in which two routings differ, and how, in words. */
export function describeDifference(own: string, other: string): string {
  const [here, there] = [readRouting(own), readRouting(other)];
  const patterns = new Set([...here.keys(), ...there.keys()]);
  for (const pattern of patterns) {
    const [mine, theirs] = [routingOf(here, pattern), routingOf(there, pattern)];
    if (mine === theirs) continue;
    const option = pattern === ">" ? "routing" : `the routing of the namespace "${pattern}"`;
    return `${option} is "${mine}" here and "${theirs}" there`;
  }
  return "the routing of namespaces is not the same here and there";
}

function readRouting(text: string): Map<string, string> {
  const lines = text.split("\n").map((line) => line.split(" "));
  return new Map(lines.map(([pattern = "", routing = ""]) => [pattern, routing]));
}

/** How the channels of a pattern go, as far as one entry is for all of them. */
function routingOf(routing: ReadonlyMap<string, string>, pattern: string): string {
  for (const [other, value] of routing) if (patternCovers(other, pattern)) return value;
  return "";
}
