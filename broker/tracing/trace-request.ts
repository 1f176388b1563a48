import type { TraceRequest } from "./bus-tracer.ts";

const TRACE_ID = /^[0-9a-f]{32}$/;
const REASONS: ReadonlySet<unknown> = new Set([
  "debug",
  "upstream",
  "slow",
  "error",
  "drop",
  "head",
]);
const TEXTS = ["channel", "namespace", "epoch"] as const;
const NUMBERS = ["offset", "payloadBytes", "partition", "openedMs", "sentMs"] as const;

/** Reads what another node asked; null for what is none of ours, or of a later version. */
export function readTraceRequest(value: unknown): TraceRequest | null {
  if (typeof value !== "object" || value === null) return null;
  const given = value as Readonly<Record<string, unknown>>;
  const { traceId, reason } = given;
  if (typeof traceId !== "string" || !TRACE_ID.test(traceId) || !REASONS.has(reason)) return null;
  if (TEXTS.some((name) => typeof given[name] !== "string")) return null;
  if (NUMBERS.some((name) => !Number.isFinite(given[name]))) return null;
  return value as TraceRequest;
}
