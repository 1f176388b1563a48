import { describe, expect, test } from "bun:test";

import type { Isolation } from "../../../workers/host/host-types.ts";
import { plugin, RunnerHarness } from "./runner-harness.ts";

/** Long enough for a loaded machine to begin a message, short enough to be hit often. */
const TIMEOUT = "limits: { timeoutMs: 300 },";

/** Tells its version in each output. */
function telling(version: string): string {
  return plugin(`m.replace("${version} " + text);`, { version });
}

/** What holds for transforms whatever their workers run in: every isolation passes it. */
export function runnerContract(isolation: Isolation): void {
  const bound = (onError: "drop" | "pass" | "nack" | "dead-letter:dead" = "dead-letter:dead") => ({
    use: "./probe.ts",
    channels: ["in.>"],
    onError,
    isolation,
  });

  describe(`a runner with isolation "${isolation}"`, () => {
    test("settles each publication by its verdict, in order", async () => {
      const body = `
        if (text === "drop") m.drop("unwanted");
        else if (text === "fail") m.fail("refused");
        else if (text === "emit") m.emit("out.x", "emitted", { key: "k" });
        else if (text === "up") { m.replace("UP"); m.setHeader("seen", "yes"); }`;
      await using harness = await RunnerHarness.start({
        files: { "probe.ts": plugin(body) },
        bindings: [{ ...bound(), emit: ["out.>"] }],
      });
      harness.publishAll("in.a", ["one", "drop", "up", "fail", "emit", "two"]);
      await harness.allSettled();
      expect(harness.faults()).toEqual([]);
      expect(harness.types("in.a")).toEqual([
        "publish",
        "drop",
        "publish",
        "dead-letter",
        "publish",
        "publish",
      ]);
      expect(harness.outputs("in.a")).toEqual(["one", "", "UP", "fail", "emit", "two"]);
      const [, , replaced, , emitted] = harness.settled.map(({ outcome }) => outcome);
      expect(replaced).toMatchObject({ timing: { attempt: 1, worker: 0, fault: null } });
      expect(replaced?.type === "publish" && replaced.meta !== null).toBe(true);
      expect(emitted).toMatchObject({ emissions: [{ channel: "out.x", key: "k" }] });
    });

    test("sends a dead letter with the original bytes and why", async () => {
      await using harness = await RunnerHarness.start({
        files: { "probe.ts": plugin(`m.fail(new TypeError("no\\nlines"));`, { version: "3.2.1" }) },
        bindings: [{ ...bound(), id: "redact" }],
      });
      harness.publishAll("in.a", ["original"]);
      await harness.allSettled();
      const [outcome] = harness.settled.map((one) => one.outcome);
      if (outcome?.type !== "dead-letter") throw new Error("no dead letter");
      expect(outcome.channel).toBe("dead");
      expect(new TextDecoder().decode(outcome.bytes)).toBe("original");
      expect(Object.fromEntries(outcome.headers)).toEqual({
        "tickwire-transform": "redact",
        "tickwire-version": "3.2.1",
        "tickwire-fault": "verdict",
        "tickwire-message": "TypeError: no lines",
        "tickwire-channel": "in.a",
        "tickwire-attempt": "1",
      });
    });

    test.each([
      ["pass", "publish"],
      ["drop", "drop"],
      ["nack", "reject"],
      ["dead-letter:dead", "dead-letter"],
    ] as const)("applies the failure policy %s", async (policy, type) => {
      await using harness = await RunnerHarness.start({
        files: { "probe.ts": plugin(`m.fail("refused");`) },
        bindings: [bound(policy)],
      });
      harness.publishAll("in.a", ["original"]);
      await harness.allSettled();
      expect(harness.types("in.a")).toEqual([type]);
      if (policy === "nack") {
        expect(harness.settled[0]?.outcome).toMatchObject({ error: { code: "transformRejected" } });
      }
    });

    test.each([
      ["an infinite loop", `if (text === "bad") for (;;);`, "timeout"],
      ["an exit of the process", `if (text === "bad") process.exit(3);`, "crash"],
      ["a throw", `if (text === "bad") throw new Error("broken");`, "throw"],
      [
        "a throw behind all messages",
        `globalThis.bad ||= text === "bad"; if (m.index === batch.length - 1 && globalThis.bad) {
           globalThis.bad = false; if ([...batch].some((one) => one.text() === "bad")) throw new Error("broken"); }`,
        "throw",
      ],
    ])("isolates %s: only that message fails", async (_name, body, fault) => {
      await using harness = await RunnerHarness.start({
        files: { "probe.ts": plugin(body, { extra: TIMEOUT }) },
        bindings: [bound()],
      });
      harness.publishAll("in.a", ["1", "2", "3"]);
      harness.publishAll("in.b", ["4", "bad", "5", "6"]);
      harness.publishAll("in.c", ["7"]);
      await harness.allSettled();
      expect(harness.faults()).toEqual([]);
      expect(harness.types("in.a")).toEqual(["publish", "publish", "publish"]);
      expect(harness.types("in.b")).toEqual(["publish", "dead-letter", "publish", "publish"]);
      expect(harness.types("in.c")).toEqual(["publish"]);
      expect(harness.runner.status()[0]?.faults[fault]).toBe(1);
      harness.publishAll("in.b", ["after"]);
      await harness.allSettled();
      expect(harness.outputs("in.b").at(-1)).toBe("after");
    });

    test("isolates a promise that never settles", async () => {
      const file = `export default { name: "probe", version: "1.0.0", async: true, ${TIMEOUT}
        async process(batch) {
          for (const m of batch) if (m.text() === "bad") await new Promise(() => {});
        } };`;
      await using harness = await RunnerHarness.start({
        files: { "probe.ts": file },
        bindings: [bound()],
      });
      harness.publishAll("in.a", ["1", "2", "bad", "3", "4"]);
      await harness.allSettled();
      expect(harness.faults()).toEqual([]);
      expect(harness.outputs("in.a")).toEqual(["1", "2", "bad", "3", "4"]);
      expect(harness.types("in.a").filter((type) => type === "dead-letter")).toHaveLength(1);
    });

    test("outlives a rejection nobody waits for", async () => {
      const body = `if (text === "bad") { setTimeout(() => Promise.reject(new Error("late")), 0); }`;
      const file = plugin(body, { extra: "async: true," });
      await using harness = await RunnerHarness.start({
        files: { "probe.ts": file },
        bindings: [bound()],
      });
      harness.publishAll("in.a", ["1", "bad", "2"]);
      await harness.allSettled();
      // One after the other, until the worker has told of it.
      while (harness.runner.status()[0]?.faults["crash"] === undefined) {
        harness.publishAll("in.a", ["again"]);
        await harness.allSettled();
      }
      expect(harness.faults()).toEqual([]);
      expect(new Set(harness.types("in.a"))).toEqual(new Set(["publish"]));
    });

    test("trips after five lost workers, and recovers by a probe", async () => {
      const body = `if (text !== "good") process.exit(1);`;
      await using harness = await RunnerHarness.start({
        files: { "probe.ts": plugin(body) },
        bindings: [bound()],
        times: { probeIntervalMs: 0 },
      });
      for (let i = 0; i < 5; i++) {
        harness.publishAll("in.a", ["bad"]);
        await harness.allSettled();
      }
      expect(harness.runner.status()[0]?.state).toBe("tripped");
      expect(harness.runner.isReady()).toBe(false);
      harness.publishAll("in.a", ["good"]);
      await harness.allSettled();
      expect(harness.settled.at(-1)).toMatchObject({ type: "publish", output: "good" });
      expect(harness.runner.status()[0]?.state).toBe("running");
      expect(harness.faults()).toEqual([]);
    });

    test("applies the failure policy to all while it is tripped", async () => {
      const body = `if (text !== "good") process.exit(1);`;
      await using harness = await RunnerHarness.start({
        files: { "probe.ts": plugin(body) },
        bindings: [bound()],
        times: { probeIntervalMs: 3_600_000 },
      });
      for (let i = 0; i < 5; i++) {
        harness.publishAll("in.a", ["bad"]);
        await harness.allSettled();
      }
      harness.publishAll("in.a", ["good", "good"]);
      await harness.allSettled();
      expect(harness.settled.at(-1)?.outcome).toMatchObject({ type: "dead-letter" });
      expect(harness.faults()).toEqual([]);
      expect(harness.logger.events()).toContain("transform_tripped");
    });

    test("takes a new version over without losing, doubling or reordering", async () => {
      await using harness = await RunnerHarness.start({
        files: { "probe.ts": telling("1.0.0") },
        bindings: [{ ...bound(), id: "probe" }],
      });
      let sent = 0;
      const send = (): void => {
        harness.publishAll(`in.${sent % 5}`, [String(sent++)]);
      };
      // Each outcome brings the next publication, so that there is always something on its way.
      harness.onSettled = () => {
        if (harness.settled.at(-1)?.output.startsWith("2.0.0") !== true) send();
      };
      for (let i = 0; i < 50; i++) send();
      await harness.folder.write("probe.ts", telling("2.0.0"));
      const status = await harness.runner.change({
        action: "deploy",
        id: "probe",
        use: null,
        config: null,
        mode: { type: "replace" },
      });
      expect(status).toMatchObject({ version: "2.0.0", previousVersion: "1.0.0" });
      await harness.until(() => harness.settled.some(({ output }) => output.startsWith("2.0.0")));
      await harness.allSettled();
      expect(harness.faults()).toEqual([]);
    });

    test("rejects what is left when it is stopped", async () => {
      const harness = await RunnerHarness.start({
        files: { "probe.ts": plugin(`if (text === "bad") for (;;);`) },
        bindings: [bound()],
      });
      harness.publishAll("in.a", ["bad", "1", "2"]);
      await harness.runner.stop(1);
      expect(harness.faults()).toEqual([]);
      expect(harness.types("in.a")).toEqual(["reject", "reject", "reject"]);
      expect(harness.publish("in.a", "late")).toMatchObject({ code: "unavailable" });
      await harness.folder[Symbol.asyncDispose]();
    });

    test("settles everything before it stops", async () => {
      const harness = await RunnerHarness.start({
        files: { "probe.ts": plugin(`m.replace(text + "!");`) },
        bindings: [bound()],
      });
      harness.publishAll("in.a", ["1", "2", "3"]);
      await harness.runner.stop(10_000);
      expect(harness.outputs("in.a")).toEqual(["1!", "2!", "3!"]);
      await harness.folder[Symbol.asyncDispose]();
    });
  });
}
