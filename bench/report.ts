import type { CellResult } from "./cell.ts";
import { hasFaults } from "./load/sequence-checker.ts";
import type { BenchOptions } from "./options.ts";
import { shapeNamed } from "./shapes.ts";
import { cpuPerDelivery, deliveriesPerSecond } from "./summary.ts";
import type { Comparison, GroupSummary } from "./summary.ts";
import type { Environment, Pinning } from "./support/environment.ts";
import { middle, number, optional, percent, range, rate } from "./support/format.ts";
import { table } from "./support/table.ts";

/** Everything one run found; `--json` prints it as it is. */
export interface Report {
  /** Raised when a field changes its meaning. */
  readonly schema: 1;
  readonly environment: Environment;
  readonly pinning: Pinning | null;
  readonly options: BenchOptions;
  readonly profileDir: string | null;
  readonly groups: readonly GroupSummary[];
  readonly cells: readonly CellResult[];
}

/** The cells that make a run fail: not run, or with deliveries lost, doubled, reordered or corrupted. */
export function failures(cells: readonly CellResult[]): CellResult[] {
  return cells.filter(({ load }) => load === null || hasFaults(load.faults));
}

/** The report for a terminal. */
export function renderReport(report: Report): string {
  const { groups, cells, options } = report;
  const closed = groups.filter((group) => group.pace === "closed");
  const open = groups.filter((group) => group.pace === "open");
  const parts = [headline(report), capacityTable(closed, options)];
  if (open.length > 0) parts.push(latencyTable(open, closed));
  parts.push(verdicts(groups), faultLines(cells));
  if (groups.some((group) => group.isDisturbed)) {
    parts.push(
      "Other work kept this machine busy (column others). Disturbed latencies say little, and disturbed ratios less than quiet ones: run it again on a quiet machine.",
    );
  }
  if (report.profileDir !== null) {
    parts.push(
      `CPU profiles are in ${report.profileDir}. Profiling slows the broker: these figures are not comparable.`,
    );
  }
  return parts.filter((part) => part !== "").join("\n\n");
}

/** One line for the person who waits. */
export function progressLine({ cell, load, error }: CellResult): string {
  const { round, broker, shape, payloadBytes, pace } = cell;
  const what = `round ${round}  ${broker.padEnd(8)}  ${shape.name.padEnd(6)}  ${payloadBytes} B`;
  if (load === null) return `${what}  FAILED: ${error}`;
  const cpuUs = cpuPerDelivery(load);
  const figures =
    pace.type === "closed"
      ? `${rate(deliveriesPerSecond(load))}/s  ${cpuUs === null ? "" : `${number(cpuUs)} us`}`
      : `p50 ${number(load.latency?.p50Us ?? 0)} us  p99 ${number(load.latency?.p99Us ?? 0)} us`;
  return `${what}  ${figures}${hasFaults(load.faults) ? `  FAULT ${load.faults.first}` : ""}`;
}

function headline({ environment, pinning, options }: Report): string {
  const { rounds, measureMs, warmUpMs, access, running } = options;
  const place =
    running !== null
      ? `against ${running.hostname}:${running.port}`
      : pinning === null
        ? "broker and generator not pinned"
        : `capacity: broker on processor ${pinning.broker}, generator on ${pinning.load}`;
  return [
    `Bun ${environment.bun} (${environment.bunRevision}), ${environment.cpu}, ${environment.cores} processors, ${environment.kernel}`,
    `${environment.date}, ${rounds} interleaved rounds of ${warmUpMs / 1000} s warm-up and ${measureMs / 1000} s measured${running === null ? ", fresh processes for each" : ""}`,
    `${place}; Tickwire access: ${running === null ? access : "as the broker has it"}; ${options.batch} publish frame(s) a message to Tickwire`,
  ].join("\n");
}

function capacityTable(groups: readonly GroupSummary[], { rounds }: BenchOptions): string {
  const rows = groups.flatMap((group) =>
    group.brokers.map((broker, i) => [
      ...label(group, i),
      broker.broker,
      range(broker.cpuUs, number),
      optional(broker.userUs, number),
      optional(broker.systemUs, number),
      range(broker.deliveriesPerSecond, rate),
      optional(broker.brokerBusy, percent),
      optional(broker.loadBusy, percent),
      optional(broker.othersBusy, percent),
    ]),
  );
  return table(
    `Capacity, closed loop: median (min-max) of ${rounds}`,
    [
      "shape",
      "payload",
      "broker",
      "CPU us/delivery",
      "user",
      "sys",
      "deliveries/s",
      "busy",
      "generator",
      "others",
    ],
    rows,
  );
}

function latencyTable(groups: readonly GroupSummary[], capacity: readonly GroupSummary[]): string {
  const rows = groups.flatMap((group) =>
    group.brokers.map((broker, i) => [
      ...label(group, i),
      i === 0 ? rate(group.publicationsPerSecond ?? 0) : "",
      i === 0 ? optional(capacityShare(group, capacity), percent) : "",
      broker.broker,
      range(broker.p50Us, number),
      middle(broker.p90Us),
      range(broker.p99Us, number),
      middle(broker.p999Us),
      middle(broker.maxUs),
      middle(broker.latenessP99Us),
      optional(broker.brokerBusy, percent),
      optional(broker.othersBusy, percent),
    ]),
  );
  return table(
    "Latency, us, from the time a publication was due, at a share of the slower broker's capacity",
    [
      "shape",
      "payload",
      "pubs/s",
      "of capacity",
      "broker",
      "p50",
      "p90",
      "p99",
      "p99.9",
      "max",
      "late p99",
      "busy",
      "others",
    ],
    rows,
  );
}

/** The offered load over the capacity of the slower broker with the same shape and payload. */
function capacityShare(group: GroupSummary, capacity: readonly GroupSummary[]): number | null {
  const same = capacity.find(
    (one) => one.shape === group.shape && one.payloadBytes === group.payloadBytes,
  );
  const subscribers = shapeNamed(group.shape)?.subscribersPerChannel;
  if (same === undefined || subscribers === undefined) return null;
  const slowest = Math.min(
    ...same.brokers.map((broker) => broker.deliveriesPerSecond?.median ?? Number.POSITIVE_INFINITY),
  );
  return ((group.publicationsPerSecond ?? 0) * subscribers) / slowest;
}

function verdicts(groups: readonly GroupSummary[]): string {
  const rows = groups.flatMap((group) =>
    group.comparisons.map((comparison) => [
      ...label(group, 0),
      subject(comparison),
      number(comparison.ratioOfMedians),
      number(comparison.medianOfRatios),
      `<= ${comparison.target.toFixed(1)}`,
      (comparison.isMet ? "met" : "missed") + (group.isDisturbed ? ", disturbed" : ""),
    ]),
  );
  if (rows.length === 0) return "";
  return table(
    "Tickwire over bare Bun (below 1 is better)",
    ["shape", "payload", "of", "ratio of medians", "median of ratios", "target", ""],
    rows,
  );
}

function subject({ what }: Comparison): string {
  return what === "cpu" ? "CPU per delivery" : `latency ${what}`;
}

function faultLines(cells: readonly CellResult[]): string {
  const bad = failures(cells);
  if (bad.length === 0) return "Every delivery arrived once, whole and in order.";
  const lines = bad.map(({ cell, load, error }) => {
    const { round, broker, shape, payloadBytes } = cell;
    const where = `round ${round}, ${broker}, ${shape.name}, ${payloadBytes} B`;
    if (load === null) return `  ${where}: not run: ${error}`;
    const { lost, duplicated, inverted, corrupt, first } = load.faults;
    return `  ${where}: ${lost} lost, ${duplicated} duplicated, ${inverted} out of order, ${corrupt} corrupt; first: ${first}`;
  });
  return ["FAULTS", ...lines].join("\n");
}

function label(group: GroupSummary, line: number): [string, string] {
  return line === 0 ? [group.shape, `${group.payloadBytes} B`] : ["", ""];
}
