import { decodeBinary } from "../../protocol/binary-codec.ts";
import { EMPTY_META, metaField } from "../../protocol/messages/meta.ts";
import type { PublicationMeta } from "../../protocol/messages/meta.ts";
import { spanIdOf } from "../../protocol/span-id.ts";
import { formatTraceparent, parseTraceparent, SAMPLED_FLAG } from "../../protocol/trace-context.ts";
import type { TraceContext } from "../../protocol/trace-context.ts";
import { BrokerError } from "../api.ts";
import { encodeMeta } from "../meta.ts";
import type { DeliveryTrace, TraceReason } from "./delivery-trace.ts";
import { linkedTraceId } from "./trace-id.ts";
import { formatMember, readMember, withMember } from "./trace-member.ts";

/** A publication that is traced from when it came in, on the node that took it in. */
export interface PublishTrace {
  readonly traceId: string;
  readonly reason: TraceReason;
  readonly parent: TraceContext | null;
  readonly link: TraceContext | null;
  readonly channel: string;
  readonly namespace: string;
  readonly id: string | null;
  readonly payloadBytes: number;
  readonly publisher: { readonly connection: string; readonly user: string | null } | null;
  /** Times of the cluster's clock. */
  readonly receivedMs: number;
  /** When the client published it; 0 when that is not known. */
  readonly clientSentMs: number;
  acceptedMs: number;
  transform: DeliveryTrace["transform"];
  /** Encoded meta to publish it with: its own, and the context that travels on. */
  meta: Uint8Array;
}

/** The trace context a publication came with, and whether its publisher may have us go on with it. */
export interface GivenContext extends TraceContext {
  readonly isTrusted: boolean;
}

/** What a node that receives a traced publication learns from its meta. */
export interface ReceivedTrace {
  readonly traceId: string;
  readonly reason: TraceReason;
  readonly link: TraceContext | null;
  readonly id: string | null;
  readonly origin: NonNullable<DeliveryTrace["origin"]>;
}

const NOTHING_TOLD = { receivedMs: 0, clientSentMs: 0, txQueueMs: 0, txRunMs: 0 } as const;

/** The context in what a publisher sent; null without one, and for one that is malformed. */
export function givenContext(
  meta: Pick<PublicationMeta, "traceparent" | "tracestate"> | null,
  isTrusted: boolean,
): GivenContext | null {
  if (meta === null || meta.traceparent === null) return null;
  const context = parseTraceparent(meta.traceparent, meta.tracestate);
  return context === null ? null : { ...context, isTrusted };
}

/** Whether the publisher's context asks for being traced, and may. */
export function isHonoured(context: GivenContext | null): context is GivenContext {
  return context !== null && context.isTrusted && (context.flags & SAMPLED_FLAG) !== 0;
}

/**
 * Encoded meta that carries the publication's own trace on. One whose publisher gave a context that is not
 * trusted keeps it, byte for byte: its trace id follows from that.
 * Null when it would be too large.
 */
export function metaWithTrace(
  meta: Uint8Array | null,
  context: Pick<
    PublishTrace,
    "traceId" | "reason" | "receivedMs" | "clientSentMs" | "transform"
  > & { readonly state: string | null },
  node: string,
  wallMs: number,
): Uint8Array | null {
  const { traceId, reason, receivedMs, clientSentMs, transform, state } = context;
  const own = meta === null ? EMPTY_META : decodeMeta(meta);
  const spanId = spanIdOf(traceId, "ingest", node);
  const traceparent = formatTraceparent({ traceId, spanId, flags: SAMPLED_FLAG });
  const member = formatMember(reason, receivedMs, transform, clientSentMs);
  const tracestate = withMember(state, member);
  try {
    return encodeMeta({ ...own, traceparent, tracestate }, own.timeMs ?? wallMs, own.user);
  } catch (error) {
    if (error instanceof BrokerError) return null;
    throw error;
  }
}

export function decodeMeta(meta: Uint8Array): PublicationMeta {
  return metaField(decodeBinary(meta, 0, meta.length));
}

/**
 * Reads what a traced publication carries. Where its context is not the one its node gave it, it is the
 * publisher's, who is not trusted with our traces: ours has an id of its own and only links to it. W3C forbids to
 * change the state of a context that is handed on as it is, so that the broker's own time in meta has to do there:
 * to the ms, by the wall clock of the node that took it in.
 * @param fromNode the node that took it in; empty when that is not known
 */
export function readTrace(
  meta: Uint8Array,
  channel: string,
  fromNode: string,
): ReceivedTrace | null {
  const { traceparent, tracestate, timeMs, id } = decodeMeta(meta);
  const context = traceparent === null ? null : parseTraceparent(traceparent, tracestate);
  if (context === null) return null;
  const { traceId, spanId } = context;
  const member = readMember(tracestate);
  const isOwn =
    fromNode === "" ? member !== null : spanId === spanIdOf(traceId, "ingest", fromNode);
  if (isOwn) {
    const { reason, ...told } = member ?? { reason: "head", ...NOTHING_TOLD };
    return { traceId, reason, link: null, id, origin: { spanId, ...told } };
  }
  const linkedId = linkedTraceId(channel, context, timeMs ?? 0);
  return {
    traceId: linkedId,
    reason: "head",
    link: context,
    id,
    origin: {
      spanId: fromNode === "" ? null : spanIdOf(linkedId, "ingest", fromNode),
      ...NOTHING_TOLD,
      receivedMs: timeMs ?? 0,
    },
  };
}
