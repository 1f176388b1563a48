import { describe, expect, test } from "bun:test";

import { Tick } from "../../broker/tick.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

describe("tick", () => {
  test("does all work once, in the order of registration, after everything else of the turn", async () => {
    const tick = new Tick(new VirtualClock());
    const done: string[] = [];
    tick.add({ endTick: () => done.push("first") });
    tick.add({ endTick: () => done.push("second") });
    tick.schedule();
    tick.schedule();
    await Promise.resolve();
    done.push("rest of the turn");
    tick.schedule();
    await nextTurn();
    expect(done).toEqual(["rest of the turn", "first", "second"]);
    await nextTurn();
    expect(done).toHaveLength(3);
  });

  test("takes the time of the first work, and counts ticks", async () => {
    const clock = new VirtualClock();
    const tick = new Tick(clock);
    const { number } = tick;
    clock.advance(5);
    tick.schedule();
    clock.advance(5);
    tick.schedule();
    expect(tick.startedMs).toBe(5);
    expect(tick.number).toBe(number);
    await nextTurn();
    expect(tick.number).toBe(number + 1);
    tick.schedule();
    expect(tick.startedMs).toBe(10);
    await nextTurn();
    expect(tick.number).toBe(number + 2);
  });

  test("work that asks for another tick gets one of its own", async () => {
    const tick = new Tick(new VirtualClock());
    let count = 0;
    tick.add({
      endTick: () => {
        count++;
        if (count < 3) tick.schedule();
      },
    });
    tick.schedule();
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    expect(count).toBe(3);
  });
});
