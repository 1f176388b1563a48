import type { SlabWriter } from "../boundary/slab.ts";
import type { TransformFault } from "../boundary/worker-link.ts";
import { EntryMode } from "./lane.ts";
import type { Entry, Lane } from "./lane.ts";

/** Messages that cross to a worker together, of one lane or several, each lane's in its order. */
export interface Flight {
  readonly entries: readonly Entry[];
  /** Those of `entries` that are in the slab, in its order: the others pass or are dropped without crossing. */
  readonly crossing: readonly Entry[];
  readonly attempt: number;
  /** Part of the isolation of a fault; null for a first attempt. */
  readonly isolation: Isolation | null;
}

export interface Isolation {
  /** A worker lost to this flight was to be expected, and is no further sign of a crash loop. */
  readonly isLossExpected: () => boolean;
  readonly onLoss: () => void;
  /** Find the message by halving: what the worker told of its progress has misled before. */
  readonly halves: boolean;
}

/** What happened to a flight that brought no verdicts. */
export interface FlightFault {
  readonly fault: TransformFault;
  readonly stage: number | null;
  /** Place in the slab of the message under suspicion; -1 when there is none. */
  readonly suspect: number;
  readonly workerLost: boolean;
}

export function hostFault(
  type: TransformFault["type"],
  name: string,
  message: string,
): TransformFault {
  return { type, name, message, file: null, line: null, stack: null, issues: [] };
}

export function flightOf(
  entries: readonly Entry[],
  attempt: number,
  isolation: Isolation | null,
): Flight {
  const crossing = entries.every(({ mode }) => mode === EntryMode.run)
    ? entries
    : entries.filter(({ mode }) => mode === EntryMode.run);
  return { entries, crossing, attempt, isolation };
}

export interface FlightBounds {
  readonly messages: number;
  readonly bytes: number;
}

/**
 * Takes messages off the head of lanes, lane after lane, until a bound is reached or `nextLane` has no more. At least
 * one message is taken.
 */
export function takeFlight(nextLane: () => Lane | null, bounds: FlightBounds): Flight | null {
  const entries: Entry[] = [];
  let messages = 0;
  let bytes = 0;
  while (messages < bounds.messages && bytes < bounds.bytes) {
    const lane = nextLane();
    if (lane === null) break;
    lane.state = "flying";
    for (;;) {
      const head = lane.waiting.peek();
      if (head === undefined) break;
      if (head.mode === EntryMode.run) {
        const size = head.end - head.start;
        if (messages >= bounds.messages || (messages > 0 && bytes + size > bounds.bytes)) break;
        messages++;
        bytes += size;
      }
      lane.shift();
      entries.push(head);
    }
  }
  return entries.length === 0 ? null : flightOf(entries, 1, null);
}

/** Writes what crosses. The bytes are a copy, as whole buffers are cloned or transferred. */
export function slabOf(flight: Flight, writer: SlabWriter): Uint8Array {
  writer.reset();
  for (const { channel, lane, meta, chunk, start, end } of flight.crossing) {
    writer.append(channel, lane.id, meta, chunk.bytes, start, end);
  }
  return writer.finish().slice();
}
