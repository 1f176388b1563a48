import type { SpanKind } from "@opentelemetry/api";

export type AttributeValue = string | number | boolean | string[];
export type AttributeMap = Record<string, AttributeValue>;

export interface SpanContextRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
  readonly state: string | null;
}

export interface SpanEventRecord {
  readonly name: string;
  /** ms since 1970 with fractions. */
  readonly atMs: number;
  readonly attributes: AttributeMap;
}

/** A span as data, before it is one of the SDK's. */
export interface SpanRecord {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: SpanContextRecord;
  /** Null for the root of a trace. */
  readonly parent: SpanContextRecord | null;
  /** ms since 1970 with fractions. */
  readonly startMs: number;
  /** Never before `startMs`. */
  readonly endMs: number;
  readonly attributes: AttributeMap;
  readonly links: readonly SpanContextRecord[];
  readonly events: readonly SpanEventRecord[];
  readonly droppedEventCount: number;
  /** What went wrong; null when nothing did. */
  readonly error: string | null;
}
