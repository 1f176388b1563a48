/**
 * A frame as plain values, the form both codecs share: `[op, ...fields]` [P-3.1]. Payloads are bytes,
 * absent trailing fields are simply not there.
 */
export type FrameValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly FrameValue[]
  | ReadonlyMap<string, FrameValue>;

export type Frame = readonly [op: number, ...fields: FrameValue[]];
