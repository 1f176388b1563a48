import { expect, test } from "bun:test";

import { Emitter } from "../../client/events.ts";

interface Events {
  readonly count: number;
  readonly text: string;
}

test("listeners get events of their name until they are removed", () => {
  const emitter = new Emitter<Events>(() => {});
  const got: number[] = [];
  const off = emitter.on("count", (count) => got.push(count));
  emitter.emit("count", 1);
  emitter.emit("text", "x");
  off();
  emitter.emit("count", 2);
  expect(got).toEqual([1]);
  expect(emitter.has("count")).toBe(false);
});

test("one that throws stops no other", () => {
  const thrown: unknown[] = [];
  const emitter = new Emitter<Events>((error) => thrown.push(error));
  const got: number[] = [];
  emitter.on("count", () => {
    throw new Error("mine");
  });
  emitter.on("count", (count) => got.push(count));
  emitter.emit("count", 1);
  expect(got).toEqual([1]);
  expect(thrown).toEqual([new Error("mine")]);
});

test("listeners may come and go while an event goes round", () => {
  const emitter = new Emitter<Events>(() => {});
  const got: string[] = [];
  const off = emitter.on("count", () => {
    got.push("first");
    off();
    emitter.on("count", () => got.push("late"));
  });
  emitter.on("count", () => got.push("second"));
  emitter.emit("count", 1);
  expect(got).toEqual(["first", "second"]);
});
