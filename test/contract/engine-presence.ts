import { describe, expect, test } from "bun:test";

import { EngineBench } from "./engine-harness.ts";
import type { EngineFactory } from "./engine-harness.ts";

const ada = { connection: "c_1", user: "ada" };
const adaAgain = { connection: "c_2", user: "ada" };
const nobody = { connection: "c_3", user: null };

/** Who is present, and who hears of it. */
export function presenceContract(factory: EngineFactory): void {
  describe("presence", () => {
    test("lists connections, also two of one user, until each has left", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream, listener } = await bench.attached("a");
      for (const member of [ada, adaAgain, nobody]) bench.engine.enterPresence(stream, member);
      await bench.settle();
      const byConnection = async (): Promise<string[]> =>
        (await bench.engine.presence(stream)).map(({ connection }) => connection).toSorted();
      expect(await byConnection()).toEqual(["c_1", "c_2", "c_3"]);
      expect(await bench.engine.presence(stream)).toContainEqual(nobody);
      bench.engine.leavePresence(stream, ada);
      await bench.settle();
      expect(await byConnection()).toEqual(["c_2", "c_3"]);
      expect(listener.presence).toEqual([
        "join c_1 ada",
        "join c_2 ada",
        "join c_3 -",
        "leave c_1 ada",
      ]);
    });

    test("tells nobody about who enters twice or leaves without having entered", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream, listener } = await bench.attached("a");
      bench.engine.leavePresence(stream, ada);
      bench.engine.enterPresence(stream, ada);
      bench.engine.enterPresence(stream, ada);
      await bench.settle();
      expect(await bench.engine.presence(stream)).toEqual([ada]);
      expect(listener.presence).toEqual(["join c_1 ada"]);
      bench.engine.leavePresence(stream, ada);
      bench.engine.leavePresence(stream, ada);
      await bench.settle();
      expect(await bench.engine.presence(stream)).toEqual([]);
      expect(listener.presence).toEqual(["join c_1 ada", "leave c_1 ada"]);
    });

    test("belongs to its channel", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream: a } = await bench.attached("a");
      const { stream: b, listener } = await bench.attached("b");
      bench.engine.enterPresence(a, ada);
      await bench.settle();
      expect(await bench.engine.presence(b)).toEqual([]);
      expect(listener.presence).toEqual([]);
    });

    test("may be entered again after leaving", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      bench.engine.enterPresence(stream, ada);
      bench.engine.leavePresence(stream, ada);
      bench.engine.enterPresence(stream, ada);
      await bench.settle();
      expect(await bench.engine.presence(stream)).toEqual([ada]);
    });

    test("cannot be changed through the list it gave", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      bench.engine.enterPresence(stream, ada);
      await bench.settle();
      const list = (await bench.engine.presence(stream)) as unknown[];
      list.length = 0;
      expect(await bench.engine.presence(stream)).toEqual([ada]);
    });
  });
}
