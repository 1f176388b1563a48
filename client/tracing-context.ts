import { createTraceState, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { Context, SpanContext } from "@opentelemetry/api";

import { MAX_TRACESTATE_BYTES } from "../protocol/limits.ts";
import type { PublicationMeta } from "../protocol/messages/meta.ts";
import { formatTraceparent, parseTraceparent } from "../protocol/trace-context.ts";
import type { PublishOptions } from "./publish-options.ts";

/** What of a publication says where it comes from. */
export type ContextMeta = Pick<PublicationMeta, "traceparent" | "tracestate">;

/** A span's context in the wire's words, which are W3C's whatever propagator is registered [P-6.9]. */
export function inject(span: SpanContext): Pick<PublishOptions, "traceparent" | "tracestate"> {
  const { traceId, spanId, traceFlags: flags, traceState } = span;
  const traceparent = formatTraceparent({ traceId, spanId, flags });
  const tracestate = traceState?.serialize() ?? "";
  // Half a state says something else than the whole, so one that is too long stays here.
  return tracestate === "" || tracestate.length > MAX_TRACESTATE_BYTES
    ? { traceparent }
    : { traceparent, tracestate };
}

/** The context a publication came with; null without one, and for one that is malformed or too long. */
export function extract(meta: ContextMeta | null): Context | null {
  if (meta === null || meta.traceparent === null) return null;
  const found = parseTraceparent(meta.traceparent, meta.tracestate);
  if (found === null) return null;
  const { traceId, spanId, flags: traceFlags, state } = found;
  const isKept = state !== null && state !== "" && state.length <= MAX_TRACESTATE_BYTES;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags,
    isRemote: true,
    ...(isKept ? { traceState: createTraceState(state) } : {}),
  });
}
