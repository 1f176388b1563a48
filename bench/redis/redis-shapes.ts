import type { Shape } from "../shapes.ts";

/** How publications fan out from node A to node B. */
export type RedisShape = Omit<Shape, "cpuRatioTarget">;

/**
 * Windows are larger than with one node: a publication is out for longer, and up to 256 go in one call. In
 * `channels`, 3200 are out, about 50 for each of the 64 partitions.
 */
export const redisShapes: readonly RedisShape[] = [
  { name: "1:1", publishers: 1, subscribersPerChannel: 1, windowSize: 512 },
  { name: "1:100", publishers: 1, subscribersPerChannel: 100, windowSize: 256 },
  { name: "channels", publishers: 200, subscribersPerChannel: 1, windowSize: 16 },
];

export function redisShapeNamed(name: string): RedisShape | null {
  return redisShapes.find((shape) => shape.name === name) ?? null;
}

/** Whether channels keep a history that clients recover from, or publications are passed on and forgotten. */
export type HistoryKind = "plain" | "recoverable";

export const historyKinds: readonly HistoryKind[] = ["plain", "recoverable"];

/** Redis calls per publication that we want to stay under, with either kind. */
export const MAX_CALLS_PER_PUBLICATION = 1 / 16;

/** Publications that a second of Redis CPU time should suffice for. */
export const publicationsPerCoreTarget: Readonly<Record<HistoryKind, number>> = {
  plain: 1_000_000,
  recoverable: 250_000,
};
