import type { TraceRule, TraceRuleChange } from "./debug-rules.ts";
import type { TraceRequest } from "./engine-tracer.ts";

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

/** Reads what another node told of a rule; null for what is none. */
export function readRuleChange(value: unknown): TraceRuleChange | null {
  if (typeof value !== "object" || value === null) return null;
  const { type, id, rule } = value as Readonly<Record<string, unknown>>;
  if (type === "ended") return typeof id === "string" ? { type, id } : null;
  if (type !== "set" || typeof rule !== "object" || rule === null) return null;
  const given = rule as Readonly<Record<string, unknown>>;
  const isText = (name: string): boolean => given[name] === null || typeof given[name] === "string";
  if (typeof given["id"] !== "string" || !Number.isFinite(given["expiresAtMs"])) return null;
  if (!["channel", "user", "connection"].every(isText)) return null;
  return { type, rule: rule as TraceRule };
}

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
