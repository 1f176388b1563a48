/** How fast a node that died is missed. All in ms. */
export interface LeaseTimings {
  /** A node that does not renew its lease for this long is not counted any more. */
  readonly leaseMs: number;
  readonly renewMs: number;
  /** A failed renewal is tried again after this. */
  readonly retryMs: number;
  /** Who is there may be known from a reading of this age. */
  readonly viewMs: number;
  /** How often dead nodes are looked for, give or take a quarter. */
  readonly sweepMs: number;
  /** What a node left is deleted once it has been seen without a lease for this long. */
  readonly graceMs: number;
  /** After Redis lost its data, admissions wait this long for nodes that have not counted their connections anew. */
  readonly recountMs: number;
  /** Least time between two reports of what changes all the time: subscribers, queues. */
  readonly reportMs: number;
}

/**
 * With the view's age, a crashed node is gone for readers after 13 s. Two renewals may fail before. The grace
 * lets everybody renew first after Redis itself was away.
 */
const DEFAULT_LEASE_MS = 12_000;

export function leaseTimings(leaseMs = DEFAULT_LEASE_MS): LeaseTimings {
  return {
    leaseMs,
    renewMs: leaseMs / 3,
    retryMs: Math.min(100, leaseMs / 12),
    viewMs: leaseMs / 12,
    sweepMs: leaseMs / 3,
    graceMs: leaseMs / 2,
    recountMs: leaseMs / 3,
    reportMs: leaseMs / 12,
  };
}
