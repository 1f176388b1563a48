import type { HistogramSample, Instrument } from "./instrument.ts";
import { INSTRUMENTS } from "./metrics.ts";
import type { Exemplar, MetricsSnapshot } from "./snapshot.ts";

/** Text for a scraper, and its type. */
export interface MetricsText {
  readonly text: string;
  readonly contentType: string;
}

/** The text exposition format. */
const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** The metrics in the form a scraper asks for; OpenMetrics alone has room for exemplars. */
export function renderMetrics(snapshot: MetricsSnapshot, accept: string | null): MetricsText {
  return prefersOpenMetrics(accept)
    ? { text: renderOpenMetrics(snapshot), contentType: OPENMETRICS_CONTENT_TYPE }
    : { text: renderPrometheus(snapshot), contentType: PROMETHEUS_CONTENT_TYPE };
}

/** The metrics in Prometheus's own text format. */
export function renderPrometheus(snapshot: MetricsSnapshot): string {
  return `${render(snapshot, false).join("\n")}\n`;
}

/** The metrics as OpenMetrics 1.0, with exemplars. */
export function renderOpenMetrics(snapshot: MetricsSnapshot): string {
  return `${[...render(snapshot, true), "# EOF"].join("\n")}\n`;
}

/**
 * Whether an Accept header ranks OpenMetrics above, or level with, plain text. A wildcard alone is no wish for it:
 * whoever looks with a browser gets plain text.
 */
export function prefersOpenMetrics(accept: string | null): boolean {
  let openMetrics = 0;
  let plain = 0;
  for (const part of (accept ?? "").toLowerCase().split(",")) {
    const [type = "", ...parameters] = part.split(";").map((piece) => piece.trim());
    const quality = parameters.find((one) => one.startsWith("q="));
    const rank = quality === undefined ? 1 : Number(quality.slice(2));
    const version = parameters.find((one) => one.startsWith("version="));
    const isOurs = version === undefined || version === "version=1.0.0";
    if (Number.isNaN(rank)) continue;
    if (type === "application/openmetrics-text" && isOurs)
      openMetrics = Math.max(openMetrics, rank);
    if (type === "text/plain") plain = Math.max(plain, rank);
  }
  return openMetrics > 0 && openMetrics >= plain;
}

function render(snapshot: MetricsSnapshot, isOpen: boolean): string[] {
  const lines: string[] = [];
  for (const instrument of INSTRUMENTS) {
    const { kind, description } = instrument;
    // OpenMetrics names the family without the suffix that its samples have.
    const family = isOpen ? instrument.name.replace(/_total$/, "") : instrument.name;
    lines.push(`# HELP ${family} ${(isOpen ? escapeLabel : escapeHelp)(description)}`);
    lines.push(`# TYPE ${family} ${kind}`);
    const unit = isOpen ? UNITS.get(instrument.unit) : undefined;
    if (unit !== undefined) lines.push(`# UNIT ${family} ${unit}`);
    lines.push(...seriesOf(instrument, snapshot, isOpen));
  }
  return lines;
}

/** UCUM to the words names end in. */
const UNITS: ReadonlyMap<string, string> = new Map([
  ["s", "seconds"],
  ["By", "bytes"],
]);

function seriesOf(instrument: Instrument, snapshot: MetricsSnapshot, isOpen: boolean): string[] {
  const { name } = instrument;
  const names = Object.keys(instrument.labels);
  const pairsOf = (values: readonly string[]): string[] =>
    names.map((label, i) => `${label}="${escapeLabel(values[i] ?? "")}"`);
  if (instrument.kind === "histogram") {
    return instrument
      .read(snapshot)
      .flatMap((sample) => histogramLines(name, pairsOf(sample.labels), sample, isOpen));
  }
  return instrument
    .read(snapshot)
    .map((sample) => `${name}${braced(pairsOf(sample.labels))} ${number(sample.value)}`);
}

/** Buckets are cumulative, and the last, +Inf, equals the count. */
function histogramLines(
  name: string,
  pairs: readonly string[],
  { histogram }: HistogramSample,
  isOpen: boolean,
): string[] {
  const { boundsMs, counts, sumMs, count, exemplars = [] } = histogram;
  let below = 0;
  const bucket = (le: string, value: number, i: number): string => {
    const line = `${name}_bucket${braced([...pairs, `le="${le}"`])} ${value}`;
    const exemplar = exemplars[i] ?? null;
    return isOpen && exemplar !== null ? `${line} ${exemplarText(exemplar)}` : line;
  };
  const lines = boundsMs.map((boundMs, i) => {
    below += counts[i] ?? 0;
    return bucket(isOpen ? float(boundMs / 1000) : number(boundMs / 1000), below, i);
  });
  lines.push(bucket("+Inf", count, boundsMs.length));
  lines.push(`${name}_sum${braced(pairs)} ${number(sumMs / 1000)}`);
  lines.push(`${name}_count${braced(pairs)} ${count}`);
  return lines;
}

function exemplarText({ traceId, spanId, valueMs, atMs }: Exemplar): string {
  return `# {trace_id="${traceId}",span_id="${spanId}"} ${number(valueMs / 1000)} ${(atMs / 1000).toFixed(3)}`;
}

function braced(pairs: readonly string[]): string {
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function number(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}

/** OpenMetrics writes bounds as floats: 1.0, not 1. */
function float(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : number(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", String.raw`\\`).replaceAll("\n", String.raw`\n`);
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', String.raw`\"`);
}
