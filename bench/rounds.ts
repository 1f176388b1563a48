import { runCell } from "./cell.ts";
import type { Cell, CellContext, CellResult } from "./cell.ts";
import { lightRate, wantedRate } from "./latency-rate.ts";
import type { BenchOptions, BrokerName } from "./options.ts";
import type { Shape } from "./shapes.ts";

/** Starting both processes, connecting and settling take about this long beside the load, ms. */
const OVERHEAD_MS = 350;

/** What it usually takes to set the rate of a shape's latency cells. */
const PROBES_A_SHAPE = 3;

/** Cells a run consists of, beside the probes that set the rates of the latency cells. */
export function cellCount(options: BenchOptions): number {
  const { shapes, payloads, brokers, rounds, measuresLatency } = options;
  const capacity = shapes.length * payloads.length * brokers.length * rounds;
  return capacity + (measuresLatency ? shapes.length * brokers.length * rounds : 0);
}

/** What the run will take, as far as one can tell beforehand, ms. */
export function estimateMs(options: BenchOptions): number {
  const probes = options.measuresLatency ? options.shapes.length * PROBES_A_SHAPE : 0;
  return (cellCount(options) + probes) * (options.warmUpMs + options.measureMs + OVERHEAD_MS);
}

/**
 * Runs all rounds. Within a round every cell is run with one broker and at once with the other, and each
 * round turns their order round, so that what changes slowly on a machine reaches both alike. Capacity comes
 * first, because the latency cells offer a share of it.
 */
export async function runRounds(
  context: CellContext,
  onResult: (result: CellResult) => void,
): Promise<CellResult[]> {
  const { options } = context;
  const run = async (cells: readonly Cell[]): Promise<CellResult[]> => {
    const results: CellResult[] = [];
    for (const cell of cells) {
      const result = await runCell(context, cell);
      results.push(result);
      onResult(result);
    }
    return results;
  };
  const rounds = Array.from({ length: options.rounds }, (_, i) => i + 1);
  const results = await run(rounds.flatMap((round) => capacityCells(options, round)));
  if (!options.measuresLatency) return results;
  const rates = await latencyRates(options, results, run);
  return [
    ...results,
    ...(await run(rounds.flatMap((round) => latencyCells(options, round, rates)))),
  ];
}

function capacityCells(options: BenchOptions, round: number): Cell[] {
  return options.payloads.flatMap((payloadBytes) =>
    options.shapes.flatMap((shape) =>
      inTurn(options, round).map((broker) => ({
        round,
        broker,
        shape,
        payloadBytes,
        pace: { type: "closed" as const, windowSize: shape.windowSize },
      })),
    ),
  );
}

/** What every shape's latency cells offer, publications a second; the probes are cells of round 0. */
async function latencyRates(
  { shapes, payloads, brokers, latencyLoad }: BenchOptions,
  capacity: readonly CellResult[],
  run: (cells: readonly Cell[]) => Promise<CellResult[]>,
): Promise<Map<Shape, number>> {
  const rates = new Map<Shape, number>();
  const payloadBytes = payloads[0] as number;
  for (const shape of shapes) {
    const wanted = wantedRate(shape, payloadBytes, capacity, latencyLoad);
    if (wanted === null) continue;
    const place = { round: 0, broker: brokers.at(-1) as BrokerName, shape, payloadBytes };
    const rate = await lightRate(wanted, async (publicationsPerSecond) => {
      const [probe] = await run([{ ...place, pace: { type: "open", publicationsPerSecond } }]);
      return probe?.load ?? null;
    });
    rates.set(shape, rate);
  }
  return rates;
}

/** Latency is measured with the first payload size only: it is about waiting, not about bytes. */
function latencyCells(
  options: BenchOptions,
  round: number,
  rates: ReadonlyMap<Shape, number>,
): Cell[] {
  return [...rates].flatMap(([shape, publicationsPerSecond]) =>
    inTurn(options, round).map((broker) => ({
      round,
      broker,
      shape,
      payloadBytes: options.payloads[0] as number,
      pace: { type: "open" as const, publicationsPerSecond },
    })),
  );
}

function inTurn({ brokers }: BenchOptions, round: number): BenchOptions["brokers"] {
  return round % 2 === 1 ? brokers : brokers.toReversed();
}
