import { formatCount, formatDuration, formatSize, plural } from "../format.ts";
import type { Measurement } from "./measure.ts";

export interface BenchReport {
  readonly name: string;
  readonly version: string;
  /** Different messages that were sent in turn. */
  readonly payloads: number;
  readonly meanPayloadBytes: number;
  readonly batch: number;
  readonly batched: Measurement;
  readonly single: Measurement;
}

/** The report for a terminal. */
export function benchText(report: BenchReport): string {
  const { batched, single, batch } = report;
  const columns: [string, (one: Measurement) => string][] = [
    ["messages/s", (one) => formatCount(perSecond(one))],
    ["ns/message", (one) => formatCount((one.elapsedMs * 1e6) / one.messages)],
    ["in process", (one) => `${formatCount((one.runMs * 1e6) / one.messages)} ns`],
    ["batch p50", (one) => formatDuration(one.p50Ms)],
    ["batch p99", (one) => formatDuration(one.p99Ms)],
    ["copied back", (one) => share(one, one.verdicts.replace)],
    ["heap", (one) => formatSize(one.heapBytes)],
    ["growth", (one) => growth(one.heapGrowthBytes)],
  ];
  const rows = [
    ["", ...columns.map(([name]) => name)],
    [`batches of ${batch}`, ...columns.map(([, text]) => text(batched))],
    ["one by one", ...columns.map(([, text]) => text(single))],
  ];
  const widths =
    rows[0]?.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  "),
  );
  const verdicts = Object.entries(batched.verdicts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${share(batched, count)}`);
  const ratio = perSecond(batched) / perSecond(single);
  return `${report.name} ${report.version}: ${plural(report.payloads, "message")} in turn, ${formatSize(Math.round(report.meanPayloadBytes))} each on average, one worker

${lines.join("\n")}

verdicts: ${verdicts.join(", ")}
Batches carry ${ratio.toFixed(1)} times as many messages as one by one.
`;
}

function perSecond({ messages, elapsedMs }: Measurement): number {
  return (messages * 1000) / elapsedMs;
}

function share({ messages }: Measurement, count: number): string {
  return `${((count * 100) / messages).toFixed(1)} %`;
}

function growth(bytes: number): string {
  return `${bytes < 0 ? "-" : "+"}${formatSize(Math.abs(bytes))}`;
}
