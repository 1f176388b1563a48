/** Place in a channel's stream: the offset counts publications, the epoch names the incarnation [P-7.1]. */
export interface StreamPosition {
  readonly epoch: string;
  /** Offset of the last publication seen; 0 before the first. */
  readonly offset: number;
}

export type PositionOrder = "same" | "before" | "after" | "unrelated";

/** How `a` stands to `b`. Positions of different epochs cannot be compared. */
export function comparePositions(a: StreamPosition, b: StreamPosition): PositionOrder {
  if (a.epoch !== b.epoch) return "unrelated";
  if (a.offset === b.offset) return "same";
  return a.offset < b.offset ? "before" : "after";
}
