import { VerdictReader, VerdictType } from "../../workers/boundary/verdicts.ts";
import { CliError } from "../errors.ts";
import type { Interrupt } from "../interrupt.ts";
import { faultText } from "./loaded-transform.ts";
import type { LoadedTransform } from "./loaded-transform.ts";

/** What one measurement found. */
export interface Measurement {
  readonly messages: number;
  readonly batches: number;
  readonly elapsedMs: number;
  /** In `process` and the boundary on the worker's side, all batches together. */
  readonly runMs: number;
  /** Of one batch there and back, ms. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Messages by verdict. */
  readonly verdicts: Readonly<Record<keyof typeof VerdictType, number>>;
  /** Heap of the worker in the end, and how much more that is than at the beginning. */
  readonly heapBytes: number;
  readonly heapGrowthBytes: number;
}

const PROGRESS_MS = 250;
const VERDICTS = ["pass", "replace", "drop", "fail"] as const;

/**
 * Sends batches one after the other until the time is over or the command is interrupted.
 * @param size messages in each of the batches
 * @throws CliError when the worker is lost, or no message can be processed
 */
export async function measure(
  transform: LoadedTransform,
  slabs: readonly Uint8Array[],
  size: number,
  ms: number,
  interrupt: Interrupt,
): Promise<Measurement> {
  const reader = new VerdictReader();
  const limits = {
    stages: 1,
    maxPayloadBytes: transform.maxPayloadBytes,
    maxEmissions: transform.manifest.limits.maxEmissions,
  };
  const verdicts = { pass: 0, replace: 0, drop: 0, fail: 0 };
  const timesMs: number[] = [];
  let runMs = 0;
  let firstHeapBytes: number | null = null;
  let heapBytes = 0;
  const beganMs = performance.now();
  let nowMs = beganMs;
  let toldMs = beganMs;
  do {
    // What is sent may be transferred, and is gone then.
    const slab = (slabs[timesMs.length % slabs.length] as Uint8Array).slice();
    const reply = await transform.run(slab, 1);
    const doneMs = performance.now();
    timesMs.push(doneMs - nowMs);
    nowMs = doneMs;
    if (reply.fault !== null) throw new CliError(faultText(reply.fault.fault));
    runMs += reply.endedMs - reply.startedMs;
    heapBytes = reply.heapBytes;
    firstHeapBytes ??= heapBytes;
    reader.open(reply.verdicts, size, limits);
    while (reader.next()) verdicts[VERDICTS[reader.type]]++;
    if (nowMs - toldMs >= PROGRESS_MS) {
      toldMs = nowMs;
      tellProgress((nowMs - beganMs) / ms);
    }
  } while (nowMs - beganMs < ms && !interrupt.isRequested);
  clearProgress();
  const sorted = timesMs.toSorted((a, b) => a - b);
  return {
    messages: timesMs.length * size,
    batches: timesMs.length,
    elapsedMs: nowMs - beganMs,
    runMs,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    verdicts,
    heapBytes,
    heapGrowthBytes: heapBytes - firstHeapBytes,
  };
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** On a terminal only: a log has no use for a line that is written over. */
function tellProgress(share: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${Math.min(100, Math.round(share * 100))} %`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r     \r");
}
