import type { CellResult } from "./cell.ts";
import type { LoadResult } from "./load/job.ts";
import type { BrokerName } from "./options.ts";
import { latencyRatioTargets } from "./shapes.ts";
import type { Shape } from "./shapes.ts";
import { totalMs } from "./support/process-cpu.ts";
import { median, spread } from "./support/stats.ts";
import type { Spread } from "./support/stats.ts";

/** Rounds of one broker in one cell. Figures that could not be had are null. */
export interface BrokerSummary {
  readonly broker: BrokerName;
  readonly deliveriesPerSecond: Spread | null;
  /** Broker CPU per delivery, all threads, us. */
  readonly cpuUs: Spread | null;
  readonly userUs: number | null;
  readonly systemUs: number | null;
  /** Share of one processor the broker used, and the generator. */
  readonly brokerBusy: number | null;
  readonly loadBusy: number | null;
  /** The same of everything else on the machine: large when the figures were disturbed. */
  readonly othersBusy: number | null;
  readonly loadCpuUs: number | null;
  /** Quantiles of latency, us; null in closed-loop cells. */
  readonly p50Us: Spread | null;
  readonly p90Us: Spread | null;
  readonly p99Us: Spread | null;
  readonly p999Us: Spread | null;
  readonly maxUs: Spread | null;
  /** The generator's own lateness, 99 %, us. */
  readonly latenessP99Us: Spread | null;
}

/** Tickwire over the reference. */
export interface Comparison {
  readonly what: "cpu" | "p50" | "p99";
  readonly ratioOfMedians: number;
  readonly medianOfRatios: number;
  readonly target: number;
  /** Whether the ratio of medians is within the target. */
  readonly isMet: boolean;
}

export interface GroupSummary {
  readonly shape: string;
  readonly payloadBytes: number;
  readonly pace: "closed" | "open";
  /** Open loop: publications offered per second. */
  readonly publicationsPerSecond: number | null;
  readonly brokers: readonly BrokerSummary[];
  readonly comparisons: readonly Comparison[];
  /** Other work took more than `MAX_OTHERS_BUSY` of a processor while this was measured. */
  readonly isDisturbed: boolean;
}

/** Share of one processor that other processes may use before figures are marked as disturbed. */
export const MAX_OTHERS_BUSY = 0.2;

/** Groups cells that differ in round and broker only, in the order they first ran. */
export function summarize(results: readonly CellResult[]): GroupSummary[] {
  const groups = Map.groupBy(
    results,
    ({ cell }) => `${cell.pace.type} ${cell.payloadBytes} ${cell.shape.name}`,
  );
  return [...groups.values()].map(summarizeGroup);
}

function summarizeGroup(results: readonly CellResult[]): GroupSummary {
  const { shape, payloadBytes, pace } = (results[0] as CellResult).cell;
  const names = [...new Set(results.map(({ cell }) => cell.broker))].toSorted().toReversed();
  const brokers = names.map((name) => summarizeBroker(name, results));
  return {
    shape: shape.name,
    payloadBytes,
    pace: pace.type,
    publicationsPerSecond: pace.type === "open" ? pace.publicationsPerSecond : null,
    brokers,
    comparisons: compare(shape, pace.type, results),
    isDisturbed: brokers.some(({ othersBusy }) => (othersBusy ?? 0) > MAX_OTHERS_BUSY),
  };
}

/** Broker CPU per delivery, us; null when CPU time could not be read or nothing was delivered. */
export function cpuPerDelivery(load: LoadResult): number | null {
  return load.brokerCpu === null ? null : usPerDelivery(load, totalMs(load.brokerCpu));
}

export function deliveriesPerSecond({ deliveries, elapsedMs }: LoadResult): number {
  return (deliveries * 1000) / elapsedMs;
}

function summarizeBroker(broker: BrokerName, results: readonly CellResult[]): BrokerSummary {
  const loads = results
    .filter(({ cell }) => cell.broker === broker)
    .flatMap(({ load }) => load ?? []);
  const over = (figure: (load: LoadResult) => number | null | undefined): Spread | null =>
    spread(loads.flatMap((load) => figure(load) ?? []));
  const middle = (figure: (load: LoadResult) => number | null | undefined): number | null =>
    over(figure)?.median ?? null;
  return {
    broker,
    deliveriesPerSecond: over(deliveriesPerSecond),
    cpuUs: over(cpuPerDelivery),
    userUs: middle((load) => usPerDelivery(load, load.brokerCpu?.userMs)),
    systemUs: middle((load) => usPerDelivery(load, load.brokerCpu?.systemMs)),
    brokerBusy: middle((load) => load.brokerCpu && totalMs(load.brokerCpu) / load.elapsedMs),
    loadBusy: middle((load) => totalMs(load.loadCpu) / load.elapsedMs),
    othersBusy: middle((load) => load.othersCpuMs && load.othersCpuMs / load.elapsedMs),
    loadCpuUs: middle((load) => usPerDelivery(load, totalMs(load.loadCpu))),
    p50Us: over((load) => load.latency?.p50Us),
    p90Us: over((load) => load.latency?.p90Us),
    p99Us: over((load) => load.latency?.p99Us),
    p999Us: over((load) => load.latency?.p999Us),
    maxUs: over((load) => load.latency?.maxUs),
    latenessP99Us: over((load) => load.lateness?.p99Us),
  };
}

function usPerDelivery(load: LoadResult, ms: number | undefined): number | null {
  return ms === undefined || load.deliveries === 0 ? null : (ms * 1000) / load.deliveries;
}

function compare(
  shape: Shape,
  pace: "closed" | "open",
  results: readonly CellResult[],
): Comparison[] {
  const ratio = (
    what: Comparison["what"],
    target: number,
    figure: (load: LoadResult) => number | null | undefined,
  ): Comparison | [] => {
    const rounds = [...Map.groupBy(results, ({ cell }) => cell.round).values()];
    // Only rounds in which both have a figure: the halves of a ratio must be from the same minutes.
    const pairs = rounds.flatMap((round) => {
      const [ours, reference] = (["tickwire", "bare"] as const).map((broker) => {
        const load = round.find(({ cell }) => cell.broker === broker)?.load;
        return load ? figure(load) : null;
      });
      return ours && reference ? [{ ours, reference }] : [];
    });
    if (pairs.length === 0) return [];
    const ratioOfMedians =
      median(pairs.map(({ ours }) => ours)) / median(pairs.map(({ reference }) => reference));
    const medianOfRatios = median(pairs.map(({ ours, reference }) => ours / reference));
    return { what, ratioOfMedians, medianOfRatios, target, isMet: ratioOfMedians <= target };
  };
  if (pace === "closed") return [ratio("cpu", shape.cpuRatioTarget, cpuPerDelivery)].flat();
  return [
    ratio("p50", latencyRatioTargets.p50, (load) => load.latency?.p50Us),
    ratio("p99", latencyRatioTargets.p99, (load) => load.latency?.p99Us),
  ].flat();
}
