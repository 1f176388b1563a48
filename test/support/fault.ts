/** What a proxy does with the bytes of one direction. */
export type Fault =
  | { readonly kind: "pass" }
  /**
   * Carries nothing, not even the end of a connection; what comes is kept back, in the kernel of the sender at
   * last, as when packets are lost. It is carried when the fault is over.
   */
  | { readonly kind: "hold" }
  /** Takes everything and loses it. A connection that lost something is reset when the fault is over. */
  | { readonly kind: "discard" }
  /** Carries everything, in order, this much later. */
  | { readonly kind: "delay"; readonly delayMs: number }
  | { readonly kind: "trickle"; readonly bytesPerSecond: number }
  /**
   * Carries this many bytes of each connection and ends it there: the receiver sees all of them and then the
   * end, the sender a reset.
   */
  | { readonly kind: "cut"; readonly afterBytes: number };

export const PASS: Fault = { kind: "pass" };
export const HOLD: Fault = { kind: "hold" };
export const DISCARD: Fault = { kind: "discard" };
