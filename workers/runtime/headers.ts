import { Packr } from "msgpackr";

import { withHeaders } from "../boundary/meta-headers.ts";
import type { Batch } from "./batch.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });

/**
 * The headers of a message with the changes its stages made, encoded; null without any.
 * @throws RangeError when the publication's meta would become larger than it may be
 */
export function changedHeaders(batch: Batch, index: number): Uint8Array | null {
  const changes = batch.extrasOf(index)?.headers ?? [];
  if (changes.length === 0) return null;
  const headers = new Map(batch.meta(index)?.headers);
  for (const { name, value } of changes) headers.set(name, value);
  const encoded = Uint8Array.prototype.slice.call(packr.pack(headers));
  if (withHeaders(batch.metaBytes(index), encoded) === null) {
    throw new RangeError("the publication's headers take more bytes than meta may have");
  }
  return encoded;
}
