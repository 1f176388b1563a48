import { MAX_CLIENT_SEND_MS } from "./client-stamp.ts";
import type { DeliveryTrace, TraceReason } from "./delivery-trace.ts";

/**
 * What our member of `tracestate` tells the other nodes: why a publication is traced, when it came in, how long it was
 * on its way from the client, and how long transforms had it.
 *
 *   tickwire=<reason>;t:<received>;c:<client send>;q:<queue wait>;x:<run>
 *
 * Times are whole µs in base 36, `t` since 1970 on the cluster's clock. A value has neither `,` nor `=`, and at most
 * 256 characters (W3C): this one has some 50. A field that is not known or cannot be read is passed over.
 */
export interface TraceMember {
  readonly reason: TraceReason;
  /** ms since 1970 with fractions; 0 where it is not told. */
  readonly receivedMs: number;
  /** The same; not longer before it was received than a client may say. */
  readonly clientSentMs: number;
  /** ms; 0 without transforms. */
  readonly txQueueMs: number;
  readonly txRunMs: number;
}

const NAME = "tickwire";
const MEMBER = new RegExp(
  `(?:^|,)\\s*${NAME}=(debug|upstream|slow|error|drop|head)(?:;([^,]*))?\\s*(?:,|$)`,
);
const FIELD = /^([a-z]):([0-9a-z]{1,11})$/;
const MAX_MEMBERS = 32;
const MAX_STATE_CHARS = 512;

/**
 * @param transform the publication's way through transforms, once it is over
 * @param clientSentMs when the client published it; 0 when that is not known
 */
export function formatMember(
  reason: TraceReason,
  receivedMs: number,
  transform: DeliveryTrace["transform"] = null,
  clientSentMs = 0,
): string {
  const sent = clientSentMs === 0 ? "" : `;c:${micros(receivedMs - clientSentMs)}`;
  const member = `${NAME}=${reason};t:${micros(receivedMs)}${sent}`;
  if (transform === null) return member;
  const { enteredMs, startedMs, endedMs } = transform;
  // What never ran was in the queue all the time.
  if (startedMs === 0) return `${member};q:${micros(endedMs - enteredMs)}`;
  return `${member};q:${micros(startedMs - enteredMs)};x:${micros(endedMs - startedMs)}`;
}

/** Rounded down: the parts must not reach beyond what they are parts of. */
function micros(ms: number): string {
  return Math.max(0, Math.floor(ms * 1000)).toString(36);
}

/** Null without our member. */
export function readMember(state: string | null): TraceMember | null {
  const match = MEMBER.exec(state ?? "");
  if (match === null) return null;
  const [, reason, rest = ""] = match;
  const fields = new Map<string, number>();
  for (const part of rest.trimEnd().split(";")) {
    const [, name, value] = FIELD.exec(part) ?? [];
    const number = Number.parseInt(value ?? "", 36);
    if (name !== undefined && Number.isSafeInteger(number)) fields.set(name, number);
  }
  const msOf = (name: string): number => (fields.get(name) ?? 0) / 1000;
  const receivedMs = msOf("t");
  // Whoever can write a tracestate may have written it.
  const isSentTold = receivedMs > 0 && fields.has("c") && msOf("c") <= MAX_CLIENT_SEND_MS;
  return {
    reason: reason as TraceReason,
    receivedMs,
    clientSentMs: isSentTold ? receivedMs - msOf("c") : 0,
    txQueueMs: msOf("q"),
    txRunMs: msOf("x"),
  };
}

/** What the publisher already had goes behind ours, without an older one of ours. */
export function withMember(state: string | null, member: string): string {
  if (state === null) return member;
  const others = state
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "" && !part.startsWith(`${NAME}=`));
  const all = [member, ...others].slice(0, MAX_MEMBERS).join(",");
  return all.length > MAX_STATE_CHARS ? member : all;
}
