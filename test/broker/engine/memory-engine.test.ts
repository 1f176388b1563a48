import { MemoryEngine } from "../../../broker/engine/memory-engine.ts";
import { engineContract } from "../../contract/engine.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

engineContract("memory", {
  canAdvance: true,
  closeEndsEpoch: true,
  async create(settings) {
    const clock = new VirtualClock();
    return {
      engine: new MemoryEngine({ clock, ...settings }),
      settle: async () => {},
      advance: async (ms) => clock.advance(ms),
      nowMs: () => clock.nowMs(),
      [Symbol.asyncDispose]: async () => {},
    };
  },
});
