// Two brokers over real Redis servers, under load and random faults, for as long as asked:
//
//   npm run chaos -- --minutes 10 --seed 7 --topology cluster
//
//   npm run chaos -- --figures
//
// measures instead how long it takes to find and mend one fault of each kind, and compares with what is promised.
//
// Prints a line per fault with what the checker counted, and the totals at the end. Exits with 1 when
// something was lost unsaid, doubled, inverted or wedged.

import { parseArgs } from "node:util";

import { Random } from "../support/random.ts";
import type { ChaosNode, NodeEvent } from "./chaos-node.ts";
import { startNode } from "./chaos-node.ts";
import { ChaosRound } from "./chaos-round.ts";
import { NO_VIOLATIONS, violationsOf } from "./delivery-checker.ts";
import { measureFigures } from "./figures/figures.ts";
import { NEMESES, nemesesFor } from "./nemeses.ts";
import type { NemesisName } from "./nemeses.ts";
import { startTopology, TOPOLOGIES } from "./redis-topology.ts";
import type { RedisTopology, TopologyName } from "./redis-topology.ts";

const SUMMED = [
  "acked",
  "unknown",
  "refused",
  "delivered",
  "healed",
  "resets",
  "resynced",
  "lost",
  "rolledBack",
  "silent",
  "doubled",
  "inverted",
  "ghosts",
  "mismatched",
] as const;

type Totals = Record<(typeof SUMMED)[number], number>;

interface ChaosOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly topologies: readonly TopologyName[];
  /** Measures what is promised instead. */
  readonly figures: boolean;
}

class ChaosRun {
  readonly #random: Random;
  readonly #topology: RedisTopology;
  readonly #nodes: readonly [ChaosNode, ChaosNode];
  readonly totals = Object.fromEntries(SUMMED.map((name) => [name, 0])) as Totals;
  readonly #convergedMs: number[] = [];
  readonly #detectedMs: number[] = [];
  violatedCount = 0;
  faultCount = 0;

  constructor(random: Random, topology: RedisTopology, nodes: readonly [ChaosNode, ChaosNode]) {
    this.#random = random;
    this.#topology = topology;
    this.#nodes = nodes;
  }

  /** One to three faults one after the other, and a check of everything since. */
  async round(): Promise<void> {
    const before = this.#engineCounts();
    using round = await ChaosRound.start({
      nodes: this.#nodes,
      channels: this.#random.between(1, 40),
      publishers: this.#random.between(1, 4),
      perTick: this.#random.between(1, 6),
    });
    const names = Array.from({ length: this.#random.between(1, 3) }, () =>
      this.#random.pick(nemesesFor(this.#topology.name)),
    );
    const notes: string[] = [];
    for (const name of names) notes.push(await this.#run(name, round));
    try {
      // What is acknowledged last must still be there: a fault may have erased what was until now.
      await round.acked(20);
      const figures = await round.finish();
      const after = this.#engineCounts();
      const { gapsHealed: healed, resets } = difference(after, before);
      const counted = { ...figures, healed, resets };
      for (const name of SUMMED) this.totals[name] += counted[name];
      this.#convergedMs.push(figures.convergedMs);
      const isViolated = Object.keys(NO_VIOLATIONS).some(
        (name) => violationsOf(figures)[name as keyof typeof NO_VIOLATIONS] > 0,
      );
      if (isViolated) this.violatedCount++;
      print(`${isViolated ? "VIOLATED" : "held"}  ${notes.join(", ")}`);
      print(`    ${SUMMED.map((name) => `${name} ${counted[name]}`).join("  ")}`);
      for (const example of figures.examples) print(`    ${example}`);
    } catch (error) {
      this.violatedCount++;
      print(`WEDGED  ${notes.join(", ")}\n    ${String(error)}`);
    }
  }

  async #run(name: NemesisName, round: ChaosRound): Promise<string> {
    const sinceMs = performance.now();
    const holdMs = this.#random.between(200, 6000);
    const target = this.#random.below(1000);
    this.faultCount++;
    try {
      await NEMESES[name].run({
        topology: this.#topology,
        round,
        target,
        hold: () => Bun.sleep(holdMs),
      });
    } catch (error) {
      // The servers did not get where the fault needs them; what they did is a fault all the same.
      return `${name} (not carried out: ${String(error).split("\n")[0]})`;
    }
    for (const { events } of this.#nodes) this.#noteDetection(events, sinceMs);
    return `${name} ${Math.round(performance.now() - sinceMs)} ms`;
  }

  #noteDetection(events: readonly NodeEvent[], sinceMs: number): void {
    const dead = events.find(
      ({ event, atMs }) => event === "redis_subscriber_dead" && atMs >= sinceMs,
    );
    if (dead !== undefined) this.#detectedMs.push(dead.atMs - sinceMs);
  }

  #engineCounts(): { gapsHealed: number; resets: number } {
    const sum = { gapsHealed: 0, resets: 0 };
    for (const { stats } of this.#nodes) {
      sum.gapsHealed += stats?.gapsHealed ?? 0;
      sum.resets += stats?.resets ?? 0;
    }
    return sum;
  }

  report(): void {
    print(`\n${this.#topology.name}: ${this.faultCount} faults, ${this.violatedCount} violated`);
    for (const name of SUMMED) print(`  ${name.padEnd(12)} ${this.totals[name]}`);
    print(`  silent connection found after ms: ${spread(this.#detectedMs)}`);
    print(`  all at the top after the load ended, ms: ${spread(this.#convergedMs)}`);
  }
}

function difference<Counts extends Record<string, number>>(after: Counts, before: Counts): Counts {
  const entries = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]);
  return Object.fromEntries(entries) as Counts;
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return "never";
  const sorted = values.toSorted((a, b) => a - b).map((value) => Math.round(value));
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] as number;
  return `median ${at(0.5)}, highest ${at(1)} (${sorted.length})`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const HELP = `Usage: npm run chaos -- [options]

Two brokers over real Redis servers, under load and random faults. Exits with 1 when something was lost
unsaid, doubled, inverted or wedged.

  --minutes N       how long, over all topologies (5)
  --seed N          the same seed chooses the same faults (of the clock)
  --topology NAME   ${TOPOLOGIES.join(", ")} (all)
  --figures         measure how long one fault of each kind takes to be found and mended instead`;

/** Null when help was asked for, and given. @throws Error, a sentence, for what is no option */
function readOptions(): ChaosOptions | null {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean", short: "h", default: false },
      minutes: { type: "string", default: "5" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      topology: { type: "string" },
      figures: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    print(HELP);
    return null;
  }
  const topologies = TOPOLOGIES.filter((name) => (values.topology ?? name) === name);
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (topologies.length === 0)
    throw new Error(`--topology must be one of ${TOPOLOGIES.join(", ")}`);
  if (!(minutes > 0) || !Number.isInteger(seed))
    throw new Error("--minutes and --seed are numbers");
  return { minutes, seed, topologies, figures: values.figures };
}

async function main(): Promise<number> {
  let options: ChaosOptions | null;
  try {
    options = readOptions();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nTry --help.\n`);
    return 2;
  }
  if (options === null) return 0;
  const { minutes, seed, topologies, figures } = options;
  if (figures) return (await measureFigures(print)) ? 0 : 1;
  print(`seed ${seed}, ${minutes} minutes over ${topologies.join(", ")}`);
  const random = new Random(seed);
  let violatedCount = 0;
  for (const name of topologies) {
    const appendonly = random.chance(0.5);
    await using topology = await startTopology(name, { appendonly });
    const config = { historySize: 5000 };
    await using first = await startNode("first", { ...config, ...topology.config(0) });
    await using second = await startNode("second", { ...config, ...topology.config(1) });
    const run = new ChaosRun(random, topology, [first, second]);
    const endMs = performance.now() + (minutes * 60_000) / topologies.length;
    print(`\n${name}, ${appendonly ? "with" : "without"} an append-only file`);
    while (performance.now() < endMs) await run.round();
    run.report();
    violatedCount += run.violatedCount;
  }
  return violatedCount === 0 ? 0 : 1;
}

process.exitCode = await main();
