import { decodeBinary } from "../../protocol/binary-codec.ts";
import { MAX_HEADER_NAME_BYTES, MAX_HEADERS } from "../../protocol/limits.ts";
import { EMPTY_META, metaField } from "../../protocol/messages/meta.ts";
import type { PublicationMeta } from "../../protocol/messages/meta.ts";
import { BrokerError } from "../api.ts";
import { encodeMeta } from "../meta.ts";

/** What emissions and dead letters have of the publication they come from. */

/**
 * The publication id of what a publication made: the same whenever that is published again, so that it is stored
 * once. It cannot be mistaken for that of another channel's publication with the same id.
 * @param what place of an emission, or another name within the publication
 */
export function derivedId(channel: string, publicationId: string, what: string): string {
  const digest = new Bun.CryptoHasher("sha256")
    .update(`${channel}\n${what}\n${publicationId}`)
    .digest("base64url");
  return `t_${digest.slice(0, 22)}`;
}

/** Context of the publication it comes from: who published it, and as part of what. */
function contextOf(meta: Uint8Array | null): PublicationMeta {
  if (meta === null) return EMPTY_META;
  const { user, traceparent, tracestate } = metaField(decodeBinary(meta, 0, meta.length));
  return { ...EMPTY_META, user, traceparent, tracestate };
}

/** Encoded meta of an emission; null when there is nothing to say. */
export function emissionMeta(
  source: Uint8Array | null,
  id: string | null,
  key: string | null,
  timeMs: number,
): Uint8Array | null {
  if (source === null && id === null && key === null) return null;
  const meta = { ...contextOf(source), id, key };
  return encodeMeta(meta, timeMs, meta.user);
}

/** Bytes a header's value may have, ever fewer until all of them fit the meta field. */
const VALUE_BYTES = [1024, 256, 64] as const;

/** Encoded meta of a dead letter. Headers that are too long are cut: it must not fail because of them. */
export function deadLetterMeta(
  source: Uint8Array | null,
  id: string | null,
  headers: ReadonlyMap<string, string>,
  timeMs: number,
): Uint8Array {
  const context = contextOf(source);
  let refusal: unknown;
  for (const maxBytes of VALUE_BYTES) {
    const short = [...headers]
      .slice(0, MAX_HEADERS)
      .map(([name, value]) => [cut(name, MAX_HEADER_NAME_BYTES), cut(value, maxBytes)] as const);
    try {
      return encodeMeta({ ...context, id, headers: new Map(short) }, timeMs, context.user);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

/** What of a text fits into so many bytes of UTF-8, without half a character at its end. */
function cut(text: string, maxBytes: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxBytes));
  return text.slice(0, read);
}
