import type { CellResult } from "./cell.ts";
import type { LoadResult } from "./load/job.ts";
import type { Shape } from "./shapes.ts";
import { deliveriesPerSecond } from "./summary.ts";
import { totalMs } from "./support/process-cpu.ts";
import { median } from "./support/stats.ts";

/** Lateness of its own that a generator may have half of the time, us. Past it, it times its own queue. */
const MAX_LATENESS_US = 100;

/** Share of a processor the probed broker may use. Past it, waiting in line is what takes the time. */
const MAX_BROKER_BUSY = 0.5;

/** Times the rate is halved before it is taken as it is. */
const MAX_HALVINGS = 5;

/**
 * Publications per second that make a share of the slower broker's capacity. The same for both: waiting
 * times under different loads cannot be compared. Null when no broker has shown a capacity.
 */
export function wantedRate(
  shape: Shape,
  payloadBytes: number,
  capacity: readonly CellResult[],
  share: number,
): number | null {
  const ofShape = capacity.filter(
    ({ cell }) => cell.shape === shape && cell.payloadBytes === payloadBytes,
  );
  const byBroker = Map.groupBy(ofShape, ({ cell }) => cell.broker);
  const rates = [...byBroker.values()].map((cells) =>
    median(cells.flatMap(({ load }) => (load === null ? [] : deliveriesPerSecond(load)))),
  );
  const slowest = Math.min(...rates.filter((rate) => rate > 0));
  if (!Number.isFinite(slowest)) return null;
  return (slowest * share) / shape.subscribersPerChannel;
}

/**
 * Halves the rate until the generator sends in time and the broker is at most half busy. Capacity is reached
 * with many deliveries in one write; sent one by one, a tenth of it can be more than either can do, and
 * latency at light load is what we are after.
 */
export async function lightRate(
  wanted: number,
  probe: (publicationsPerSecond: number) => Promise<LoadResult | null>,
): Promise<number> {
  let rate = wanted;
  for (let halvings = 0; halvings < MAX_HALVINGS; halvings++) {
    const load = await probe(rate);
    if (load === null || isLight(load)) break;
    rate /= 2;
  }
  return rate;
}

function isLight({ lateness, brokerCpu, elapsedMs }: LoadResult): boolean {
  const isTimely = lateness === null || lateness.p50Us <= MAX_LATENESS_US;
  return isTimely && (brokerCpu === null || totalMs(brokerCpu) / elapsedMs <= MAX_BROKER_BUSY);
}
