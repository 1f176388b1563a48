import { FAULT_TYPES } from "../boundary/worker-link.ts";
import type { WorkerCalls } from "../boundary/worker-link.ts";

/**
 * Whether what came from a worker's process is an answer to this call. A thread answers with the runtime's own values;
 * in a process the transform has the channel as well, and whatever it writes must not bring the broker down.
 */
export function isAnswer(method: keyof WorkerCalls, value: unknown): boolean {
  switch (method) {
    case "run":
      return isBatchReply(value);
    case "collect":
      return isCollectReply(value);
    case "load":
      return isLoadReply(value);
    case "takeLanes":
      return isListOf(value, ({ lane, stage, channel }) => {
        return typeof lane === "string" && isCount(stage) && typeof channel === "string";
      });
    case "test":
      return isRecord(value) && isListOf(value["cases"], isCase);
    case "putLanes":
    case "replay":
    case "unload":
      return true;
  }
}

type Fields = Readonly<Record<string, unknown>>;

const TYPES: readonly unknown[] = FAULT_TYPES;
const LEVELS: readonly unknown[] = ["debug", "info", "warn", "error"];

function isBatchReply(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { verdicts, fault, startedMs, endedMs, heapBytes, notes } = value;
  return (
    verdicts instanceof Uint8Array &&
    [startedMs, endedMs, heapBytes].every(Number.isFinite) &&
    (fault === null || isBatchFault(fault)) &&
    (notes === null || isNotes(notes))
  );
}

function isBatchFault(value: unknown): boolean {
  return (
    isRecord(value) && isCount(value["stage"]) && isWhole(value["index"]) && isFault(value["fault"])
  );
}

function isFault(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { type, name, message, file, line, issues } = value;
  return (
    TYPES.includes(type) &&
    [name, message].every((text) => typeof text === "string") &&
    (file === null || typeof file === "string") &&
    (line === null || isWhole(line)) &&
    isListOf(issues, (issue) => typeof issue["path"] === "string")
  );
}

function isNotes(value: unknown): boolean {
  if (!isRecord(value)) return false;
  return (
    isListOf(value["logs"], ({ stage, level, message, fields }) => {
      return (
        isCount(stage) && LEVELS.includes(level) && typeof message === "string" && isRecord(fields)
      );
    }) &&
    isListOf(value["metrics"], ({ stage, name, value: sum, count }) => {
      return isCount(stage) && typeof name === "string" && [sum, count].every(Number.isFinite);
    }) &&
    isListOf(value["faults"], ({ stage, fault }) => isCount(stage) && isFault(fault))
  );
}

function isCollectReply(value: unknown): boolean {
  if (!isRecord(value)) return false;
  if (value["ok"] !== true) return isCount(value["stage"]) && isFault(value["fault"]);
  return isListOf(value["codes"], ({ file, root, integrity, sources, imports }) => {
    return (
      [file, root, integrity].every((text) => typeof text === "string") &&
      isListOf(sources, (source) => typeof source["text"] === "string") &&
      isListOf(imports, (one) => typeof one["to"] === "string")
    );
  });
}

function isLoadReply(value: unknown): boolean {
  if (!isRecord(value)) return false;
  if (value["ok"] !== true) return isCount(value["stage"]) && isFault(value["fault"]);
  return isListOf(value["manifests"], ({ name, version, match, limits, file, integrity }) => {
    if (!isRecord(match) || !isRecord(limits)) return false;
    const { channels, minBytes, maxBytes } = match;
    return (
      [name, version, file, integrity].every((text) => typeof text === "string") &&
      (channels === null || Array.isArray(channels)) &&
      [minBytes, maxBytes].every((bytes) => typeof bytes === "number") &&
      LIMITS.every((limit) => Number.isFinite(limits[limit]))
    );
  });
}

const LIMITS = ["batch", "batchBytes", "timeoutMs", "heapMb", "maxEmissions", "laneQueue"] as const;

function isCase(value: Fields): boolean {
  const { stage, name, file, passed, diff } = value;
  return (
    isCount(stage) &&
    typeof passed === "boolean" &&
    [name, file].every((text) => typeof text === "string") &&
    Array.isArray(diff)
  );
}

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

function isListOf(value: unknown, isItem: (item: Fields) => boolean): boolean {
  return Array.isArray(value) && value.every((item: unknown) => isRecord(item) && isItem(item));
}

function isWhole(value: unknown): boolean {
  return Number.isInteger(value);
}

function isCount(value: unknown): boolean {
  return isWhole(value) && (value as number) >= 0;
}
