import type { RecoverFrom } from "../../protocol/messages/subscribe.ts";

/** What a stream can still give out. */
export interface StreamState {
  readonly epoch: string;
  /** The epoch before, and the offset up to which both hold the same publications. */
  readonly parent?: { readonly epoch: string; readonly forkOffset: number } | null;
  /** Offset of the newest publication. */
  readonly offset: number;
  /** Offset of the oldest kept publication; `offset + 1` when none is kept. */
  readonly firstOffset: number;
}

export interface RecoveryPlan {
  /** True when the subscriber will have everything after the position it named. */
  readonly recovered: boolean;
  /** First offset to replay; `offset + 1` for nothing. */
  readonly fromOffset: number;
  readonly count: number;
}

/**
 * What to replay to a subscriber before live publications [P-7.3]. All or nothing: when one publication
 * after the client's position is gone, none is replayed, and the client fetches its state anew.
 */
export function planRecovery(recover: RecoverFrom, stream: StreamState): RecoveryPlan {
  const nothing = { recovered: false, fromOffset: stream.offset + 1, count: 0 };
  switch (recover.type) {
    case "none":
      return nothing;
    case "last": {
      const fromOffset = Math.max(stream.firstOffset, stream.offset - recover.count + 1);
      return { recovered: false, fromOffset, count: stream.offset - fromOffset + 1 };
    }
    case "position": {
      const { epoch, offset } = recover.position;
      const isSame = epoch === stream.epoch;
      const isParent = epoch === stream.parent?.epoch && offset <= stream.parent.forkOffset;
      // An offset beyond the newest, in the same epoch, was never given out by this stream.
      if ((!isSame && !isParent) || offset > stream.offset) return nothing;
      if (offset + 1 < stream.firstOffset) return nothing;
      return { recovered: true, fromOffset: offset + 1, count: stream.offset - offset };
    }
  }
}
