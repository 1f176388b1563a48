import { CliError, UsageError } from "../errors.ts";
import { messageIn, withoutRepeats } from "./trace-span.ts";
import type { TraceSpan } from "./trace-span.ts";

/** For the whole answer, ms. */
const ANSWER_MS = 30_000;

/** OTLP in JSON, as far as it is read here. */
interface Value {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values?: readonly Value[] };
}
type Attributes = readonly { readonly key: string; readonly value?: Value }[];
interface Span {
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name?: string;
  readonly startTimeUnixNano?: string;
  readonly endTimeUnixNano?: string;
  readonly attributes?: Attributes;
  readonly events?: readonly { readonly name?: string; readonly attributes?: Attributes }[];
  readonly status?: { readonly code?: number; readonly message?: string };
}
interface Answer {
  readonly result?: {
    readonly resourceSpans?: readonly {
      readonly resource?: { readonly attributes?: Attributes };
      readonly scopeSpans?: readonly { readonly spans?: readonly Span[] }[];
    }[];
  };
}

const STATUS_ERROR = 2;

/**
 * The spans of a trace that Jaeger has, asked of its `/api/v3`; none when it has no such trace.
 * @throws CliError when it cannot be asked
 */
export async function spansInJaeger(base: string, traceId: string): Promise<TraceSpan[]> {
  const url = `${checked(base)}/api/v3/traces/${traceId}`;
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (error) {
    throw new CliError(`cannot reach Jaeger at ${base}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (response.status === 404) return [];
  if (!response.ok) throw new CliError(`Jaeger at ${base} answers ${response.status}`);
  const answer = (await response.json().catch((cause: unknown) => {
    throw new CliError(`what answers at ${base} is no Jaeger`, { cause });
  })) as Answer;
  const { resourceSpans = [] } = answer.result ?? {};
  const all = resourceSpans.flatMap(({ resource, scopeSpans = [] }) => {
    const of = plain(resource?.attributes);
    const node = text(of["tickwire.node.id"]) ?? text(of["service.name"]) ?? "";
    return scopeSpans.flatMap(({ spans = [] }) => spans.map((span) => toTraceSpan(span, node)));
  });
  return withoutRepeats(all);
}

function checked(base: string): string {
  const url = URL.parse(base);
  if (url !== null && /^https?:$/.test(url.protocol)) return base.replace(/\/+$/, "");
  throw new UsageError(
    `--jaeger ${JSON.stringify(base)} is no URL; give one like http://localhost:16686`,
  );
}

function toTraceSpan(span: Span, node: string): TraceSpan {
  const { name = "", spanId, parentSpanId = "", status } = span;
  const attributes = plain(span.attributes);
  const type = attributes["error.type"];
  return {
    node,
    name,
    spanId,
    parentSpanId: parentSpanId === "" ? null : parentSpanId,
    startMs: msOf(span.startTimeUnixNano),
    endMs: msOf(span.endTimeUnixNano),
    attributes,
    error: status?.code === STATUS_ERROR ? (text(type) ?? text(status.message) ?? "error") : null,
    errorMessage: messageIn(
      (span.events ?? []).map((event) => ({
        name: event.name ?? "",
        attributes: plain(event.attributes),
      })),
    ),
  };
}

/** Nanoseconds do not fit a number; microseconds do. */
function msOf(nano = "0"): number {
  return Number(BigInt(nano) / 1000n) / 1000;
}

function plain(attributes: Attributes = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value ?? {})]));
}

function valueOf({ stringValue, boolValue, intValue, doubleValue, arrayValue }: Value): unknown {
  if (intValue !== undefined) return Number(intValue);
  if (arrayValue !== undefined) return (arrayValue.values ?? []).map(valueOf);
  return stringValue ?? boolValue ?? doubleValue ?? null;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
