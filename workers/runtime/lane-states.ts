import type { LaneState } from "../sdk/transform.ts";

/** States one stage may keep in a worker. */
const MAX_LANE_STATES = 65_536;

/** One lane's memory in one stage. */
export interface LaneRecord {
  /** The lane as the host names it, which may hold several states of a stage that keeps them by key. */
  readonly lane: string;
  readonly channel: string;
  readonly key: string | null;
  value: unknown;
}

/** The states of the lanes that one stage has met. */
export class LaneStates {
  readonly #definition: LaneState<unknown, unknown, unknown>;
  readonly #isByKey: boolean;
  readonly #state: unknown;
  readonly #config: unknown;
  readonly #records = new Map<string, LaneRecord>();

  constructor(
    definition: LaneState<unknown, unknown, unknown>,
    isByKey: boolean,
    state: unknown,
    config: unknown,
  ) {
    this.#definition = definition;
    this.#isByKey = isByKey;
    this.#state = state;
    this.#config = config;
  }

  get size(): number {
    return this.#records.size;
  }

  /**
   * The state of a message's channel, or of its key in it; made when there is none.
   * @param message its key is read only by stages that keep states by key
   * @throws RangeError over the bound, and whatever `create` throws
   */
  get(lane: string, channel: string, message: { readonly key: string | null }): unknown {
    const ownKey = this.#isByKey ? message.key : null;
    const name = nameOf(channel, ownKey);
    const record = this.#records.get(name);
    if (record !== undefined) return record.value;
    const value = this.#definition.create(channel, this.#state, this.#config);
    this.#keep(name, { lane, channel, key: ownKey, value });
    return value;
  }

  /** The states of these lanes, or all; they are forgotten here. */
  take(lanes: ReadonlySet<string> | null): LaneRecord[] {
    const taken: LaneRecord[] = [];
    for (const [name, record] of this.#records) {
      if (lanes !== null && !lanes.has(record.lane)) continue;
      taken.push(record);
      this.#records.delete(name);
    }
    return taken;
  }

  /** @throws whatever `snapshot` throws; TypeError for what cannot be cloned */
  snapshot(record: LaneRecord): unknown {
    // Cloned here: what cannot be would end the worker on its way out.
    return structuredClone(this.#definition.snapshot?.(record.value));
  }

  /** @throws whatever `restore` throws */
  restore(lane: string, channel: string, key: string | null, snapshot: unknown): void {
    const value = this.#definition.restore?.(snapshot, channel, this.#state, this.#config);
    this.#keep(nameOf(channel, key), { lane, channel, key, value });
  }

  /** Keeps what `fill` makes of a new state, when the channel has none yet. */
  createWith(lane: string, channel: string, fill: (value: unknown) => void): void {
    const name = nameOf(channel, null);
    if (this.#records.has(name)) return;
    const value = this.#definition.create(channel, this.#state, this.#config);
    fill(value);
    this.#keep(name, { lane, channel, key: null, value });
  }

  #keep(name: string, record: LaneRecord): void {
    if (this.#records.size >= MAX_LANE_STATES && !this.#records.has(name)) {
      throw new RangeError(`a worker keeps the state of at most ${MAX_LANE_STATES} lanes`);
    }
    this.#records.set(name, record);
  }
}

/** Neither part can hold the separator: channels are printable, and what follows the first is the key. */
function nameOf(channel: string, key: string | null): string {
  return key === null ? channel : `${channel}\n${key}`;
}
