import { expect, test } from "bun:test";

import { NO_VIOLATIONS, violationsOf } from "../chaos/delivery-checker.ts";
import { announceSeed } from "../support/random.ts";
import { Simulation } from "./simulation.ts";

const SEEDS = 4000;
const LIMIT_MS = 120_000;

/** A run that is replayed is that one alone. */
const seedCount = process.env["TICKWIRE_SEED"] === undefined ? SEEDS : 1;

test(
  `nothing is lost unsaid, doubled or inverted in ${seedCount} simulated runs`,
  async () => {
    const first = announceSeed("simulation");
    const sum = { acked: 0, unknown: 0, delivered: 0, resynced: 0, lost: 0, rolledBack: 0 };
    for (let i = 0; i < seedCount; i++) {
      const seed = (first + i) >>> 0;
      const replay = `TICKWIRE_SEED=${seed}`;
      try {
        const figures = await new Simulation(seed).run();
        for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += figures[name];
        expect({ ...violationsOf(figures), examples: figures.examples }).toEqual({
          ...NO_VIOLATIONS,
          examples: [],
        });
      } catch (error) {
        throw new Error(`${replay} replays: ${String(error)}`, { cause: error });
      }
    }
    process.stderr.write(`simulation: ${JSON.stringify(sum)}\n`);
    // Runs in which nothing happens would show nothing.
    expect(sum.acked).toBeGreaterThan(seedCount);
    expect(sum.delivered).toBeGreaterThan(seedCount);
  },
  LIMIT_MS,
);
