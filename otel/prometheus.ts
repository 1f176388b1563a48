import type { Instrument } from "./instrument.ts";
import { INSTRUMENTS } from "./metrics.ts";
import type { HistogramSnapshot, MetricsSnapshot } from "./snapshot.ts";

/** Of what `renderPrometheus` returns: the text exposition format. */
export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The metrics as Prometheus scrapes them. */
export function renderPrometheus(snapshot: MetricsSnapshot): string {
  const lines: string[] = [];
  for (const instrument of INSTRUMENTS) {
    const { name, kind, description } = instrument;
    lines.push(`# HELP ${name} ${escapeHelp(description)}`, `# TYPE ${name} ${kind}`);
    lines.push(...seriesOf(instrument, snapshot));
  }
  return `${lines.join("\n")}\n`;
}

function seriesOf(instrument: Instrument, snapshot: MetricsSnapshot): string[] {
  const { name } = instrument;
  if (instrument.kind === "histogram") return histogramLines(name, instrument.read(snapshot));
  const labels = Object.keys(instrument.labels);
  return instrument.read(snapshot).map((sample) => {
    const pairs = labels.map((label, i) => `${label}="${escapeLabel(sample.labels[i] ?? "")}"`);
    return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${number(sample.value)}`;
  });
}

/** Buckets are cumulative, and the last, +Inf, equals the count. */
function histogramLines(name: string, histogram: HistogramSnapshot): string[] {
  const { boundsMs, counts, sumMs, count } = histogram;
  let below = 0;
  const lines = boundsMs.map((boundMs, i) => {
    below += counts[i] ?? 0;
    return `${name}_bucket{le="${number(boundMs / 1000)}"} ${below}`;
  });
  lines.push(`${name}_bucket{le="+Inf"} ${count}`);
  lines.push(`${name}_sum ${number(sumMs / 1000)}`, `${name}_count ${count}`);
  return lines;
}

function number(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", String.raw`\\`).replaceAll("\n", String.raw`\n`);
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', String.raw`\"`);
}
