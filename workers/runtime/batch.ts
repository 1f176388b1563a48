import { Unpackr } from "msgpackr";

import { metaField } from "../../protocol/messages/meta.ts";
import type { PublicationMeta } from "../../protocol/messages/meta.ts";
import { SlabReader } from "../boundary/slab.ts";
import type { EmissionRange, Failure } from "../boundary/verdict-writer.ts";
import { VerdictType } from "../boundary/verdicts.ts";
import { PayloadArena } from "./payload.ts";
import type { StageMatch } from "./stage-match.ts";

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: "number" });

export interface HeaderChange {
  readonly stage: number;
  readonly name: string;
  readonly value: string;
}

/** What few messages have. */
export interface Extras {
  meta: PublicationMeta | null | undefined;
  dropStage: number;
  dropReason: string;
  failure: Failure | null;
  emissions: EmissionRange[];
  headers: HeaderChange[];
}

/** A batch on its way through the stages: what each message is by now. One instance is used again. */
export class Batch {
  readonly slab = new SlabReader();
  readonly arena = new PayloadArena();
  /** `VerdictType` of each message so far. */
  types = new Uint8Array(0);
  /** Of a replaced payload: its range in the arena. */
  starts = new Int32Array(0);
  ends = new Int32Array(0);
  /** Places of the messages that the stage under way gets, the first `aliveCount` of it. */
  alive = new Int32Array(0);
  aliveCount = 0;
  readonly #extras = new Map<number, Extras>();

  /** @throws SlabError */
  open(bytes: Uint8Array): void {
    this.slab.open(bytes);
    const { count } = this.slab;
    if (this.types.length < count) {
      this.types = new Uint8Array(count);
      this.starts = new Int32Array(count);
      this.ends = new Int32Array(count);
      this.alive = new Int32Array(count);
    } else this.types.fill(VerdictType.pass, 0, count);
    this.aliveCount = 0;
    this.arena.reset();
    if (this.#extras.size > 0) this.#extras.clear();
  }

  /** Finds the messages the next stage gets: what has been neither dropped nor failed, and matches. */
  select(match: StageMatch): void {
    const { count } = this.slab;
    let selected = 0;
    for (let i = 0; i < count; i++) {
      const type = this.types[i] as number;
      if (type === VerdictType.drop || type === VerdictType.fail) continue;
      if (match.isAll || match.matches(this.channel(i), this.#payloadBytes(i))) {
        this.alive[selected++] = i;
      }
    }
    this.aliveCount = selected;
  }

  #payloadBytes(index: number): number {
    return this.types[index] === VerdictType.replace
      ? (this.ends[index] as number) - (this.starts[index] as number)
      : (this.slab.payloadEnds[index] as number) - (this.slab.payloadStarts[index] as number);
  }

  extrasOf(index: number): Extras | undefined {
    return this.#extras.get(index);
  }

  extras(index: number): Extras {
    let extras = this.#extras.get(index);
    if (extras === undefined) {
      extras = {
        meta: undefined,
        dropStage: 0,
        dropReason: "",
        failure: null,
        emissions: [],
        headers: [],
      };
      this.#extras.set(index, extras);
    }
    return extras;
  }

  get hasExtras(): boolean {
    return this.#extras.size > 0;
  }

  channel(index: number): string {
    return this.slab.names[this.slab.channels[index] as number] as string;
  }

  lane(index: number): string | null {
    const lane = this.slab.lanes[index] as number;
    return lane === -1 ? null : (this.slab.names[lane] as string);
  }

  /** The meta as submitted, decoded on the first call. */
  meta(index: number): PublicationMeta | null {
    const bytes = this.metaBytes(index);
    if (bytes === null) return null;
    const extras = this.extras(index);
    if (extras.meta === undefined) extras.meta = metaField(unpackr.unpack(bytes));
    return extras.meta;
  }

  metaBytes(index: number): Uint8Array | null {
    const start = this.slab.metaStarts[index] as number;
    return start === -1 ? null : this.slab.bytes.subarray(start, this.slab.payloadStarts[index]);
  }

  replace(index: number): void {
    this.types[index] = VerdictType.replace;
    this.starts[index] = this.arena.start;
    this.ends[index] = this.arena.end;
  }

  drop(index: number, stage: number, reason: string): void {
    const extras = this.extras(index);
    extras.dropStage = stage;
    extras.dropReason = reason;
    this.types[index] = VerdictType.drop;
  }

  fail(index: number, failure: Failure): void {
    this.extras(index).failure = failure;
    this.types[index] = VerdictType.fail;
  }

  /** Takes back what a stage has made of a message, which then is what it was before. */
  undo(index: number, stage: number, type: number, start: number, end: number): void {
    this.types[index] = type;
    this.starts[index] = start;
    this.ends[index] = end;
    const extras = this.#extras.get(index);
    if (extras === undefined) return;
    extras.failure = null;
    extras.emissions = extras.emissions.filter((emission) => emission.stage !== stage);
    extras.headers = extras.headers.filter((header) => header.stage !== stage);
  }
}
