/**
 * Which way of copying a payload into an output buffer is cheapest at which length. `copyBytes` of
 * protocol/writer.ts takes its constant from here. Run: bun bench/micro/copy.bench.ts
 */
import { copyBytes } from "../../protocol/writer.ts";
import { table } from "../support/table.ts";
import { isolated, nsPerCall } from "./measure.ts";

const LENGTHS = [16, 24, 32, 48, 64, 80, 96, 128, 192, 256, 512, 1024];

/** Payloads start at odd places of a message, after a header whose size varies. */
const SOURCE_AT = 21;
const STARTS = 16;

type Copy = (
  target: Uint8Array,
  pos: number,
  source: Uint8Array,
  start: number,
  end: number,
) => void;

/** Works on a Uint8Array that is no Buffer as well. */
const nativeCopy: (
  this: Uint8Array,
  target: Uint8Array,
  pos: number,
  start: number,
  end: number,
) => number = Buffer.prototype.copy;

const ways: Readonly<Record<string, Copy>> = {
  loop(target, pos, source, start, end) {
    const length = end - start;
    for (let i = 0; i < length; i++) target[pos + i] = source[start + i] as number;
  },
  "set subarray"(target, pos, source, start, end) {
    target.set(source.subarray(start, end), pos);
  },
  "Buffer copy"(target, pos, source, start, end) {
    nativeCopy.call(source, target, pos, start, end);
  },
  copyBytes,
};

interface Costs {
  /** From one source again and again, by length. */
  readonly known: number[];
  /**
   * From a source that is new each time, as a WebSocket message is; making it is part of the figure. The
   * first view on a typed array has to move it out of the garbage collector's heap.
   */
  readonly fresh: number[];
}

function cost(copy: Copy, length: number, nextSource: () => Uint8Array): number {
  const target = new Uint8Array(64 * 1024);
  const room = target.length - length;
  return nsPerCall((calls) => {
    let at = 0;
    for (let i = 0; i < calls; i++) {
      const start = SOURCE_AT + (i & (STARTS - 1));
      copy(target, at, nextSource(), start, start + length);
      at += length + 13;
      if (at > room) at = 0;
    }
    return target[at] as number;
  });
}

function newSource(length: number): Uint8Array {
  return new Uint8Array(SOURCE_AT + STARTS + length);
}

function measure(copy: Copy): Costs {
  return {
    known: LENGTHS.map((length) => {
      const source = newSource(length);
      return cost(copy, length, () => source);
    }),
    fresh: LENGTHS.map((length) => cost(copy, length, () => newSource(length))),
  };
}

const names = Object.keys(ways);
const results = await isolated(import.meta.path, ways, measure);

function costTable(title: string, kind: keyof Costs): string {
  const rows = LENGTHS.map((length, i) => [
    String(length),
    ...names.map((name) => (results[name]?.[kind][i] ?? Number.NaN).toFixed(1)),
  ]);
  return table(title, ["bytes", ...names], rows);
}

console.log(costTable(`Copy from one source, ns (Bun ${Bun.version})`, "known"));
console.log();
console.log(costTable("Copy from a new source each time, ns, making it included", "fresh"));
