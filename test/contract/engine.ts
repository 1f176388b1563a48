import { describe, expect, test } from "bun:test";

import { EngineBench } from "./engine-harness.ts";
import type { EngineFactory } from "./engine-harness.ts";
import { historyContract } from "./engine-history.ts";
import { presenceContract } from "./engine-presence.ts";
import { publishContract } from "./engine-publish.ts";

/**
 * Holds an engine to the contract of broker/engine/engine.ts. Answers are awaited, so that engines may give
 * them at once or later; what needs time is skipped for an engine whose time cannot be moved.
 */
export function engineContract(name: string, factory: EngineFactory): void {
  describe(`${name} engine`, () => {
    test("is ready once started", async () => {
      await using bench = await EngineBench.start(factory);
      expect(bench.engine.name).not.toBe("");
      expect(bench.engine.isReady()).toBe(true);
    });

    publishContract(factory);
    historyContract(factory);
    presenceContract(factory);
  });
}
