import { Packr } from "msgpackr";

import { Code } from "../protocol/codes.ts";
import { MAX_META_BYTES } from "../protocol/limits.ts";
import { metaValue } from "../protocol/messages/meta.ts";
import type { PublicationMeta } from "../protocol/messages/meta.ts";
import { BrokerError } from "./api.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });

/**
 * Encodes the meta field as it goes to subscribers, with the two fields that only the broker sets [P-6.9].
 * @throws BrokerError too_large
 */
export function encodeMeta(meta: PublicationMeta, timeMs: number, user: string | null): Uint8Array {
  const value = metaValue({ ...meta, timeMs: null, user }) as unknown[];
  // As BigInt, msgpackr writes the time as a msgpack integer and not as a double [P-3.4].
  value[5] = BigInt(Math.trunc(timeMs));
  const packed = packr.pack(value);
  if (packed.length > MAX_META_BYTES) {
    throw new BrokerError(Code.tooLarge, `meta may have ${MAX_META_BYTES} bytes`);
  }
  return Uint8Array.prototype.slice.call(packed);
}
