/**
 * How publications fan out in one cell. A publisher has its own channel and its own connection; every
 * subscriber has a connection of its own and one subscription.
 */
export interface Shape {
  readonly name: string;
  readonly publishers: number;
  readonly subscribersPerChannel: number;
  /**
   * Closed loop: publications a publisher may have out. One is out until every subscriber of its
   * channel has received it.
   */
  readonly windowSize: number;
  /** Broker CPU per delivery over the reference's that we want to stay under. */
  readonly cpuRatioTarget: number;
}

export const shapes: readonly Shape[] = [
  { name: "1:1", publishers: 1, subscribersPerChannel: 1, windowSize: 256, cpuRatioTarget: 1.0 },
  { name: "1:100", publishers: 1, subscribersPerChannel: 100, windowSize: 64, cpuRatioTarget: 0.7 },
  {
    name: "1:1000",
    publishers: 1,
    subscribersPerChannel: 1000,
    windowSize: 16,
    cpuRatioTarget: 1.0,
  },
  { name: "pairs", publishers: 100, subscribersPerChannel: 1, windowSize: 4, cpuRatioTarget: 1.3 },
];

/** Latency over the reference's that we want to stay under, at a tenth of the capacity. */
export const latencyRatioTargets = { p50: 1.2, p99: 1.5 } as const;

export function shapeNamed(name: string): Shape | null {
  return shapes.find((shape) => shape.name === name) ?? null;
}
