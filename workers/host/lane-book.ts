import type { TransformOrder } from "../sdk/transform.ts";
import { laneIdOf } from "./lane-order.ts";
import { EntryMode, Lane } from "./lane.ts";
import type { Entry } from "./lane.ts";

export interface LaneBookOwner {
  /** Settles a message that does not cross. */
  passOver(entry: Entry): void;
  /** A lane's next message is to run. */
  enqueue(lane: Lane): void;
  /** All lanes of this turn are in line. */
  pump(): void;
}

/**
 * The lanes that have messages, each in one place: fresh (since the last turn), in line for a worker, flying, or held
 * back while what it belongs to changes hands. Lanes are made when they are needed and forgotten when empty.
 */
export class LaneBook {
  readonly #owner: LaneBookOwner;
  #lanes = new Map<string, Lane>();
  /** Lanes by other orders, the earliest first: all of one map come before any of the next, and of `#lanes`. */
  readonly #earlier: Map<string, Lane>[] = [];
  #fresh: Lane[] = [];
  #held: Lane[] = [];
  #isHolding = false;
  #isTurnDue = false;
  #spread = 0;
  #onQuiet: (() => void)[] = [];
  order: TransformOrder;

  constructor(order: TransformOrder, owner: LaneBookOwner) {
    this.order = order;
    this.#owner = owner;
  }

  get count(): number {
    return this.#earlier.reduce((sum, lanes) => sum + lanes.size, this.#lanes.size);
  }

  all(): Lane[] {
    return [...this.#earlier, this.#lanes].flatMap((lanes) => [...lanes.values()]);
  }

  laneOf(channel: string, key: string | null, workers: number): Lane {
    const id = laneIdOf(this.order, channel, key, this.#spread++, workers);
    let lane = this.#lanes.get(id);
    if (lane === undefined) {
      lane = new Lane(id, channel);
      this.#lanes.set(id, lane);
    }
    return lane;
  }

  /** Said of a lane that has got a message. */
  filled(lane: Lane): void {
    if (lane.state !== "idle") return;
    lane.state = "ready";
    this.#fresh.push(lane);
    this.turnSoon();
  }

  /** One turn of the event loop collects what arrives in it. */
  turnSoon(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => {
      this.#isTurnDue = false;
      const fresh = this.#fresh;
      this.#fresh = [];
      for (const lane of fresh) this.place(lane);
      this.#owner.pump();
    });
  }

  /** Puts a lane where it belongs now. */
  place(lane: Lane): void {
    if (this.#isHeldBack(lane)) {
      lane.state = "held";
      this.#held.push(lane);
      return;
    }
    // Settled in place: what the broker submits in answer only waits.
    lane.state = "flying";
    for (;;) {
      const head = lane.waiting.peek();
      if (head === undefined || head.mode === EntryMode.run) break;
      lane.shift();
      this.#owner.passOver(head);
    }
    if (lane.waiting.length === 0) this.#forget(lane);
    else this.#owner.enqueue(lane);
  }

  /** Said of a lane whose crossing has been settled. */
  landed(lane: Lane): void {
    if (lane.state !== "flying" || lane.flying > 0) return;
    if (lane.waiting.length === 0) this.#forget(lane);
    else this.place(lane);
    if (this.#onQuiet.length > 0) this.#checkQuiet();
  }

  /** A lane that was looked up and got nothing. */
  dropIfEmpty(lane: Lane): void {
    if (lane.state === "idle" && lane.waiting.length === 0) this.#forget(lane);
  }

  /** From now on no lane gets in line. Resolves when none is flying. `waiting` are lanes taken out of line. */
  async hold(waiting: readonly Lane[]): Promise<void> {
    this.#isHolding = true;
    for (const lane of waiting) this.place(lane);
    if (this.#isQuiet()) return;
    await new Promise<void>((resolve) => this.#onQuiet.push(resolve));
  }

  resume(): void {
    this.#isHolding = false;
    this.#placeHeld();
  }

  /** Messages that come from now on are ordered in another way, behind all that are here. */
  reorder(order: TransformOrder): void {
    if (order === this.order) return;
    this.order = order;
    if (this.#lanes.size === 0) return;
    this.#earlier.push(this.#lanes);
    this.#lanes = new Map();
  }

  #isHeldBack(lane: Lane): boolean {
    if (this.#isHolding) return true;
    const [first] = this.#earlier;
    return first !== undefined && first.get(lane.id) !== lane;
  }

  #isQuiet(): boolean {
    return this.all().every(({ state }) => state !== "flying");
  }

  #checkQuiet(): void {
    if (!this.#isQuiet()) return;
    for (const resolve of this.#onQuiet.splice(0)) resolve();
  }

  #placeHeld(): void {
    const held = this.#held;
    this.#held = [];
    for (const lane of held) this.place(lane);
    this.#owner.pump();
  }

  #forget(lane: Lane): void {
    lane.isLive = false;
    lane.state = "idle";
    if (this.#lanes.get(lane.id) === lane) {
      this.#lanes.delete(lane.id);
      return;
    }
    for (const lanes of this.#earlier) if (lanes.get(lane.id) === lane) lanes.delete(lane.id);
    if (this.#earlier[0]?.size !== 0) return;
    while (this.#earlier[0]?.size === 0) this.#earlier.shift();
    this.#placeHeld();
  }
}
