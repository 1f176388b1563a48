import { badField } from "../errors.ts";
import {
  arrayField,
  mapField,
  numberField,
  optionalStringField,
  stringField,
  uintField,
} from "../fields.ts";
import type { FrameValue } from "../frame.ts";
import {
  MAX_HEADER_NAME_BYTES,
  MAX_HEADER_VALUE_BYTES,
  MAX_HEADERS,
  MAX_META_STRING_BYTES,
  MAX_TRACEPARENT_BYTES,
  MAX_TRACESTATE_BYTES,
} from "../limits.ts";

/**
 * [id | nil, key | nil, headers | nil, traceparent | nil, tracestate | nil, timeMs | nil, user | nil]
 * What a publication may carry beside its payload, the same layout both ways [P-6.9]. The broker sets
 * `timeMs` and `user` itself, whatever a client put there. Trailing fields may be left out.
 */
export interface PublicationMeta {
  /** Publication id: the same id on the same channel within the window is published once. */
  readonly id: string | null;
  /** Conflation key. */
  readonly key: string | null;
  readonly headers: ReadonlyMap<string, string> | null;
  /** W3C trace context. */
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  /**
   * ms since 1970. To subscribers: when the broker accepted it, whole ms. From a client: when it published it, on the
   * broker's clock as the client estimates it, with fractions.
   */
  readonly timeMs: number | null;
  /** User of the publishing connection; set by the broker. */
  readonly user: string | null;
}

export const EMPTY_META: PublicationMeta = Object.freeze({
  id: null,
  key: null,
  headers: null,
  traceparent: null,
  tracestate: null,
  timeMs: null,
  user: null,
});

export function metaValue(meta: PublicationMeta): FrameValue {
  return [
    meta.id,
    meta.key,
    meta.headers,
    meta.traceparent,
    meta.tracestate,
    meta.timeMs,
    meta.user,
  ];
}

/** What the broker made of it; also what it keeps and sends on. */
export function metaField(value: unknown, name = "meta"): PublicationMeta {
  return readMeta(value, name, uintField);
}

/** As it comes from a client, whose `timeMs` may be any number: one that cannot be is nobody's error [P-6.9]. */
export function clientMetaField(value: unknown, name = "meta"): PublicationMeta {
  return readMeta(value, name, numberField);
}

function readMeta(
  value: unknown,
  name: string,
  timeField: (value: unknown, name: string) => number,
): PublicationMeta {
  const fields = arrayField(value, name);
  return {
    id: optionalStringField(fields[0], `${name} id`, MAX_META_STRING_BYTES),
    key: optionalStringField(fields[1], `${name} key`, MAX_META_STRING_BYTES),
    headers: headersField(fields[2], `${name} headers`),
    traceparent: optionalStringField(fields[3], `${name} traceparent`, MAX_TRACEPARENT_BYTES),
    tracestate: optionalStringField(fields[4], `${name} tracestate`, MAX_TRACESTATE_BYTES),
    timeMs:
      fields[5] === null || fields[5] === undefined ? null : timeField(fields[5], `${name} timeMs`),
    user: optionalStringField(fields[6], `${name} user`, 1024),
  };
}

function headersField(value: unknown, name: string): ReadonlyMap<string, string> | null {
  if (value === null || value === undefined) return null;
  const entries = mapField(value, name);
  if (entries.length > MAX_HEADERS) throw badField(`${name}: at most ${MAX_HEADERS} headers`);
  return new Map(
    entries.map(([key, item]) => [
      stringField(key, `${name} name`, MAX_HEADER_NAME_BYTES),
      stringField(item, `${name} value`, MAX_HEADER_VALUE_BYTES),
    ]),
  );
}
