import { Attribute, latencyAttribute } from "../../otel/attributes.ts";
import { findCulprit, operationOf } from "./culprit.ts";
import type { Culprit } from "./culprit.ts";
import { formatMs } from "./format-ms.ts";
import { numberOf, textOf, tookMs } from "./trace-span.ts";
import type { TraceSpan } from "./trace-span.ts";

/** Width of the picture of when a span was. */
const BAR_WIDTH = 20;

/** `messaging.operation.name` of a client's span around publishing. */
const PUBLISH = "publish";

interface Row {
  readonly label: string;
  readonly span: TraceSpan;
}

/** A trace as a tree of its spans, with what it blames marked and told below. */
export function traceText(traceId: string, told: readonly TraceSpan[]): string {
  const spans = withSending(told);
  const startMs = Math.min(...spans.map((span) => span.startMs));
  const endMs = Math.max(...spans.map((span) => span.endMs));
  const culprit = findCulprit(spans);
  const rows = rowsOf(spans);
  const widths = {
    label: Math.max(...rows.map(({ label }) => label.length)),
    node: Math.max(4, ...spans.map(({ node }) => node.length)),
  };
  const head = `${"".padEnd(widths.label)}  ${"node".padEnd(widths.node)}  ${"from".padStart(9)}  ${"took".padStart(9)}`;
  const lines = rows.map(({ label, span }) => {
    const cells = [
      label.padEnd(widths.label),
      span.node.padEnd(widths.node),
      formatMs(span.startMs - startMs).padStart(9),
      formatMs(tookMs(span)).padStart(9),
      bar(span, startMs, endMs),
    ];
    const marks = [
      ...(span.error === null ? [] : [`error: ${span.error}`]),
      ...(span === culprit?.span ? ["<- here"] : []),
    ];
    return [...cells, ...marks].join("  ").trimEnd();
  });
  return [title(traceId, spans, startMs), "", head, ...lines, ...verdict(culprit)].join("\n");
}

/** The publisher's part has a row too where nobody traced the publisher: deliveries tell when it published. */
function withSending(spans: readonly TraceSpan[]): readonly TraceSpan[] {
  if (spans.some((span) => operationOf(span) === PUBLISH)) return spans;
  const stage = latencyAttribute("client_send");
  const teller = spans.find((span) => numberOf(span, stage) > 0);
  if (teller === undefined) return spans;
  const { startMs } = teller;
  const sending: TraceSpan = {
    node: "",
    name: "from the publisher",
    spanId: "",
    parentSpanId: null,
    startMs,
    endMs: startMs + numberOf(teller, stage),
    attributes: { [Attribute.operationName]: PUBLISH },
    error: null,
    errorMessage: null,
  };
  return [sending, ...spans];
}

function title(traceId: string, spans: readonly TraceSpan[], startMs: number): string {
  const find = (name: string): string | null =>
    spans.map((span) => textOf(span, name)).find((text) => text !== null) ?? null;
  const channel = find(Attribute.channel);
  const reason = find(Attribute.sampleReason);
  return [
    `trace ${traceId}`,
    ...(channel === null ? [] : [`of ${channel}`]),
    `at ${new Date(startMs).toISOString()}`,
    ...(reason === null ? [] : [`(${reason})`]),
  ].join(" ");
}

function verdict(culprit: Culprit | null): string[] {
  if (culprit === null) return [];
  const { span, attribute } = culprit.evidence;
  const value = span.attributes[attribute];
  return ["", culprit.text, `The span "${span.name}" says so: ${attribute} = ${String(value)}`];
}

/** In the order of a tree: children below their parents, by their beginnings. */
function rowsOf(spans: readonly TraceSpan[]): Row[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const children = Map.groupBy(
    spans.toSorted((a, b) => place(a) - place(b) || a.startMs - b.startMs),
    // What hangs below a span that nobody here has told of stands at the left as well.
    ({ parentSpanId }) => (parentSpanId !== null && ids.has(parentSpanId) ? parentSpanId : null),
  );
  const rows: Row[] = [];
  const seen = new Set<string>();
  const add = (parent: string | null, indent: string): void => {
    const below = children.get(parent) ?? [];
    for (const [i, span] of below.entries()) {
      if (seen.has(span.spanId)) continue;
      seen.add(span.spanId);
      const isLast = i === below.length - 1;
      const branch = parent === null ? "" : isLast ? "└─ " : "├─ ";
      rows.push({ label: `${indent}${branch}${labelOf(span)}`, span });
      add(span.spanId, parent === null ? "" : `${indent}${isLast ? "   " : "│  "}`);
    }
  };
  add(null, "");
  return rows;
}

/** Deliveries begin with the publication, and are the end of it. */
function place(span: TraceSpan): number {
  return operationOf(span) === "deliver" ? 1 : 0;
}

/** A delivery also by whom it was for, and what became of it. */
function labelOf(span: TraceSpan): string {
  if (operationOf(span) !== "deliver") return span.name;
  const who = textOf(span, Attribute.clientName) ?? textOf(span, Attribute.clientId);
  const outcome = textOf(span, Attribute.outcome);
  return `${span.name} (${[who, outcome].filter((text) => text !== null).join(", ")})`;
}

/** When within the trace a span was. */
function bar({ startMs, endMs }: TraceSpan, fromMs: number, toMs: number): string {
  const scale = toMs > fromMs ? BAR_WIDTH / (toMs - fromMs) : 0;
  const first = Math.min(BAR_WIDTH - 1, Math.floor((startMs - fromMs) * scale));
  const length = Math.max(1, Math.round((endMs - startMs) * scale));
  const cells = `${" ".repeat(first)}${"▪".repeat(Math.min(length, BAR_WIDTH - first))}`;
  return cells.padEnd(BAR_WIDTH);
}
