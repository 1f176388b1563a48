import {
  MAX_HEADER_NAME_BYTES,
  MAX_HEADER_VALUE_BYTES,
  MAX_HEADERS,
  MAX_META_STRING_BYTES,
  MAX_TRACESTATE_BYTES,
} from "../../protocol/limits.ts";
import type { PublicationMeta } from "../../protocol/messages/meta.ts";
import type { Caller } from "./access.ts";
import { badInput } from "./http-error.ts";
import { anything, channelName, decimal, object, optional, text, textMap } from "./schema.ts";
import type { Schema, ValueOf } from "./schema.ts";

/** A payload in JSON: its text, or `{"b64": "..."}` for bytes that are no text [P-3.5]. */
export const PAYLOAD_JSON = {
  oneOf: [
    { type: "string" },
    {
      type: "object",
      properties: { b64: { type: "string", contentEncoding: "base64" } },
      required: ["b64"],
      additionalProperties: false,
    },
  ],
  description: 'The payload: its UTF-8 text, or {"b64": base64} for bytes that are no text.',
} as const;

export const payloadSchema: Schema<Uint8Array> = {
  json: PAYLOAD_JSON,
  isOptional: false,
  parse: (value, name) => {
    if (typeof value === "string") return new TextEncoder().encode(value);
    const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
    const [key, encoded] = entries.length === 1 ? (entries[0] as [string, unknown]) : [];
    if (key === "b64" && typeof encoded === "string") return fromBase64(encoded, name);
    throw badInput(`${name} must be a text or {"b64": base64}`);
  },
};

function fromBase64(encoded: string, name: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(encoded);
  } catch (cause) {
    throw Object.assign(badInput(`${name}: b64 is not base64`), { cause });
  }
}

export const publicationSchema = object(
  {
    channel: channelName("Where to publish."),
    payload: optional(payloadSchema),
    json: anything("Published as JSON text, in the place of `payload`."),
    id: optional(
      text(MAX_META_STRING_BYTES, "Publication id: the same id again is not published twice."),
    ),
    key: optional(text(MAX_META_STRING_BYTES, "Conflation key.")),
    headers: optional(
      textMap(
        {
          entries: MAX_HEADERS,
          nameBytes: MAX_HEADER_NAME_BYTES,
          valueBytes: MAX_HEADER_VALUE_BYTES,
        },
        "What the publication carries beside its payload.",
      ),
    ),
    timeMs: optional(
      decimal(
        "When it was published, ms since 1970 by this node's clock: where it is traced, its trace begins then. What cannot be is left out of account.",
      ),
    ),
  },
  "Exactly one of `payload` and `json` must be there.",
);

export interface Publication {
  readonly channel: string;
  readonly payload: Uint8Array;
  /** Null keeps the publication in its smallest form. */
  readonly meta: Partial<PublicationMeta> | null;
}

/** Checks what the schema cannot say, and adds what the request tells. @throws HttpError */
export function toPublication(
  fields: ValueOf<typeof publicationSchema>,
  caller: Caller,
  requestHeaders: Headers,
): Publication {
  const { channel, payload, json, id, key, headers, timeMs } = fields;
  if ((payload === null) === (json === undefined))
    throw badInput("give exactly one of payload and json");
  const trace = traceContext(requestHeaders);
  const isPlain = [id, key, headers, timeMs, trace].every((part) => part === null);
  return {
    channel,
    payload: payload ?? new TextEncoder().encode(JSON.stringify(json)),
    meta: isPlain
      ? null
      : { id, key, headers, timeMs, ...trace, user: caller.identity?.user ?? null },
  };
}

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** W3C trace context of the request; one that is malformed is nobody's error and is left out. */
function traceContext(
  headers: Headers,
): Pick<PublicationMeta, "traceparent" | "tracestate"> | null {
  const traceparent = headers.get("traceparent");
  if (traceparent === null || !TRACEPARENT.test(traceparent)) return null;
  const tracestate = headers.get("tracestate");
  const isShort = tracestate !== null && Buffer.byteLength(tracestate) <= MAX_TRACESTATE_BYTES;
  return { traceparent, tracestate: isShort ? tracestate : null };
}
