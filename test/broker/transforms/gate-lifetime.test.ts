import { expect, test } from "bun:test";

import type { Engine } from "../../../broker/engine/engine.ts";
import { Ingest } from "../../../broker/ingest.ts";
import type { TransformOutcome } from "../../../broker/ports.ts";
import { Settler } from "../../../broker/transforms/settler.ts";
import { TransformGate } from "../../../broker/transforms/transform-gate.ts";
import { DeferredEngine } from "../../contract/deferred-engine.ts";
import { MemoryLogger } from "../../support/memory-logger.ts";
import { PlainNode } from "../../support/plain-node.ts";
import { outcome, PlainTransforms } from "../../support/plain-transforms.ts";

/** The way in of a node, with transforms, without a network. */
class Inside {
  readonly node: PlainNode;
  readonly gate: TransformGate;
  readonly runner: PlainTransforms;
  readonly logger = new MemoryLogger();
  readonly heard: string[] = [];
  readonly #ingest: Ingest;

  constructor(
    process: () => TransformOutcome = () => outcome.publish("x"),
    wrap?: (engine: Engine) => Engine,
  ) {
    this.node = new PlainNode({}, wrap);
    const { engine, hub, stats, clock } = this.node;
    this.runner = new PlainTransforms({ id: "plain", channels: ["t.>"], process });
    this.gate = new TransformGate({
      runner: this.runner,
      settler: new Settler({ engine, hub, stats, clock, mayEmit: () => true }),
      hub,
      logger: this.logger,
      limits: {
        transformPendingPerConnection: 10,
        transformPending: 10,
        transformPendingBytes: 1_000_000,
      },
    });
    void this.runner.start(this.gate, { history: () => Promise.resolve([]) });
    this.#ingest = new Ingest(engine, stats, this.gate);
  }

  publish(channel: string): void {
    const payload = new Uint8Array(3);
    const publisher = {
      transformPending: 0,
      published: (_id: number, offset: number): void => void this.heard.push(`at ${offset}`),
      publishFailed: (_id: number, error: { message: string }): void =>
        void this.heard.push(error.message),
    };
    const open = this.node.hub.open(channel);
    const offset = this.#ingest.publish(open, payload, 0, 3, null, null, null, publisher, 1);
    expect(offset).toBe(0);
  }
}

test("a channel that was forgotten meanwhile is opened again", async () => {
  const inside = new Inside();
  const { node, runner } = inside;
  const { hub, clock } = node;
  runner.hold();
  inside.publish("t.a");
  const before = hub.find("t.a");
  clock.advance(3_600_000);
  hub.sweep(clock.nowMs());
  expect(hub.find("t.a")).toBeUndefined();
  runner.release();
  await node.settle();
  expect(inside.heard).toEqual(["at 1"]);
  expect(before?.stream.log.offset).toBe(0);
  expect(hub.find("t.a")?.stream.log.offset).toBe(1);
});

test("a stop waits for the engine's answers as well, and not longer than it may", async () => {
  let engine: DeferredEngine | null = null;
  const inside = new Inside(undefined, (inner) => (engine = new DeferredEngine(inner)));
  inside.publish("t.a");
  await inside.node.settle();
  // It has left the transform, and its place is not known yet.
  expect(inside.runner.settledCount).toBe(1);
  expect(inside.gate.pending).toBe(1);
  let hasStopped = false;
  const stopped = inside.gate.stop(600_000).then(() => (hasStopped = true));
  await inside.node.settle();
  expect(hasStopped).toBe(false);
  (engine as DeferredEngine | null)?.proceed();
  await stopped;
  expect(inside.heard).toEqual(["at 1"]);
  expect(inside.gate.pending).toBe(0);

  inside.publish("t.a");
  await inside.node.settle();
  await inside.gate.stop(1);
  expect(inside.gate.pending).toBe(1);
});

test("an outcome nobody could have expected is logged, and its publisher is told that the broker failed", async () => {
  // What a defect of the runner could look like.
  const inside = new Inside(() => ({ ...outcome.publish("x"), emissions: null as never }));
  inside.publish("t.a");
  await inside.node.settle();
  expect(inside.heard).toEqual(["the broker failed; it has been logged"]);
  expect(inside.logger.events()).toEqual(["transform_settle_failed"]);
  expect(inside.gate.pending).toBe(0);
});

test("a channel that nothing is bound to goes straight to the engine", () => {
  const inside = new Inside();
  const { engine, stats, hub } = inside.node;
  const ingest = new Ingest(engine, stats, inside.gate);
  const publisher = {
    transformPending: 0,
    published: (): void => undefined,
    publishFailed: (): void => undefined,
  };
  const channel = hub.open("free");
  expect(ingest.publish(channel, new Uint8Array(3), 0, 3, null, null, null, publisher, 1)).toBe(1);
  expect(inside.gate.pending).toBe(0);
  expect(stats.publications).toBe(1);
});
