import type { Subscriber } from "../channels/channel.ts";
import type { Session } from "../sessions/session.ts";
import { MAX_TRACED_DELIVERIES } from "./delivery-stamp.ts";
import type { FanOutAnomaly, TracedDelivery } from "./delivery-trace.ts";

/** Subscribers of a traced publication whose delivery is told, where nothing is the matter with them. */
const SAMPLED_DELIVERIES = 4;
const MAX_ANOMALIES = 32;

/** A batch's subscribers: of its channel, and of patterns. */
interface Reached {
  readonly subscribers: readonly Subscriber[];
  readonly matched: readonly Subscriber[];
}

export interface Survey {
  readonly deliveries: readonly TracedDelivery[];
  readonly anomalies: readonly FanOutAnomaly[];
  readonly anomaliesLeftOut: number;
  readonly dropped: number;
}

/** Looks at whom a batch went to: who did not simply get it, and a few of the others. */
export function surveyOf(
  { subscribers, matched }: Reached,
  atMs: number,
  outcome: "delivered" | "late",
): Survey {
  const anomalies: FanOutAnomaly[] = [];
  const total = subscribers.length + matched.length;
  const step = Math.max(1, Math.floor(total / SAMPLED_DELIVERIES));
  const deliveries: TracedDelivery[] = [];
  let anomaliesLeftOut = 0;
  let dropped = 0;
  for (let i = 0; i < total; i++) {
    const at = i < subscribers.length ? subscribers[i] : matched[i - subscribers.length];
    const { session } = at as Subscriber;
    const problem = problemOf(session);
    if (problem !== null) {
      if (problem !== "queued") dropped++;
      if (anomalies.length >= MAX_ANOMALIES) anomaliesLeftOut++;
      else {
        const { queuedBytes } = session.outbound;
        anomalies.push({ atMs, connection: session.id, outcome: problem, queuedBytes });
      }
    } else if (i % step === 0 && deliveries.length < SAMPLED_DELIVERIES) {
      deliveries.push(deliveryOf(session, outcome, atMs));
    }
  }
  return {
    deliveries: deliveries.slice(0, MAX_TRACED_DELIVERIES),
    anomalies,
    anomaliesLeftOut,
    dropped,
  };
}

function problemOf(session: Session): FanOutAnomaly["outcome"] | null {
  if (session.state === "closed") return "closed";
  if (session.isCondemned) return "slow";
  return session.outbound.isBehind ? "queued" : null;
}

/** A delivery that was handed to its socket. */
export function deliveryOf(
  session: Session,
  outcome: TracedDelivery["outcome"],
  handedOverMs: number,
  more: Partial<TracedDelivery> = {},
): TracedDelivery {
  return {
    connection: session.id,
    user: session.identity?.user ?? null,
    client: session.client,
    outcome,
    dropReason: null,
    handedOverMs,
    queuedBytes: 0,
    receivedMs: 0,
    clockOffsetMs: 0,
    clockUncertaintyMs: 0,
    isClamped: false,
    ...more,
  };
}
