import { MemoryEngine } from "../../broker/engine/memory-engine.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { DeferredEngine } from "./deferred-engine.ts";
import { engineContract } from "./engine.ts";

// Shows that the contract can be held by an engine that answers later, before there is one over a network.
engineContract("deferred", {
  canAdvance: true,
  closeEndsEpoch: true,
  async create(settings) {
    const clock = new VirtualClock();
    const engine = new DeferredEngine(new MemoryEngine({ clock, ...settings }));
    // Answers whatever is asked, a turn of the event loop later, for as long as the test lasts.
    const answering = setInterval(() => engine.proceed(), 0);
    return {
      engine,
      async settle() {
        engine.proceed();
      },
      advance: async (ms) => clock.advance(ms),
      nowMs: () => clock.nowMs(),
      [Symbol.asyncDispose]: async () => clearInterval(answering),
    };
  },
});
