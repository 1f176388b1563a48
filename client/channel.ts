import { channelNameKind, patternMatches } from "../protocol/channel-name.ts";
import type { ChannelNameKind } from "../protocol/channel-name.ts";
import { Code } from "./codes.ts";
import { fromCode } from "./errors.ts";
import { decodeWith } from "./value-codec.ts";
import type { Decode, DecodedBy, Encoding } from "./value-codec.ts";

/** A channel, or a pattern of channels, whose payloads are of type T. */
export interface Channel<T> {
  /** Channel name or pattern. */
  readonly name: string;
  readonly encoding: Encoding<T>;
  readonly decode: Decode<T>;
  /**
   * One channel of a pattern, to publish on.
   * @throws TickwireError `bad_channel` when the name is none or does not match
   */
  at(name: string): Channel<T>;
}

/** How values of a channel become bytes and back; msgpack both ways when left out. */
export interface ChannelCodec<T> {
  readonly encode?: Encoding<T>;
  readonly decode?: Exclude<keyof DecodedBy, "bytes"> | Decode<T>;
}

/**
 * Names a channel (or pattern) together with the type of what is published there. The types are a promise
 * between publishers and subscribers; give a `decode` function that checks when the promise is not enough.
 * @throws TickwireError `bad_channel`
 */
export function defineChannel<T>(name: string, codec: ChannelCodec<T> = {}): Channel<T> {
  checkName(name, true);
  const encoding = codec.encode ?? "value";
  const decode = decodeWith(codec.decode ?? "value") as Decode<T>;
  const at = (concrete: string): Channel<T> => {
    checkName(concrete, false);
    if (!patternMatches(name, concrete)) {
      throw fromCode(Code.badChannel, `${concrete} does not match ${name}`);
    }
    return { name: concrete, encoding, decode, at };
  };
  return { name, encoding, decode, at };
}

/**
 * Checks the name of one channel, or also of a pattern, and says which it is.
 * @throws TickwireError `bad_channel`
 */
export function checkName(name: string, mayBePattern: boolean): ChannelNameKind {
  // Not every caller has a compiler that sees to it that this is a string.
  const kind = typeof name === "string" ? channelNameKind(name) : "invalid";
  if (kind === "name" || (kind === "pattern" && mayBePattern)) return kind;
  throw fromCode(Code.badChannel, `not a channel${mayBePattern ? " or pattern" : ""}: ${name}`);
}
