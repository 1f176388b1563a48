import { metaValue } from "../../protocol/messages/meta.ts";
import { msgpackOf } from "../runtime/payload.ts";

/** A publication for a transform under test. */
export interface TestMessage {
  readonly channel: string;
  readonly bytes: Uint8Array;
  readonly key: string | null;
  readonly id: string | null;
  readonly user: string | null;
  readonly headers: Readonly<Record<string, string>> | null;
}

export interface MessageOptions {
  /** How a payload that is neither bytes nor text is encoded; default "json". */
  readonly encoding?: "json" | "msgpack";
  readonly key?: string;
  readonly id?: string;
  readonly user?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A publication; bytes are its payload as they are, a string as UTF-8, anything else as JSON or msgpack. */
export function message(
  channel: string,
  payload: unknown,
  options: MessageOptions = {},
): TestMessage {
  return {
    channel,
    bytes: payloadBytes(payload, options.encoding ?? "json"),
    key: options.key ?? null,
    id: options.id ?? null,
    user: options.user ?? null,
    headers: options.headers ?? null,
  };
}

export function payloadBytes(payload: unknown, encoding: "json" | "msgpack"): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  if (encoding === "msgpack") return msgpackOf(payload);
  const text = typeof payload === "string" ? payload : JSON.stringify(payload);
  if (typeof text !== "string") throw new TypeError(`a payload cannot be ${typeof payload}`);
  return new TextEncoder().encode(text);
}

/** Its meta as the broker encodes it; null when it has none. */
export function metaBytes(from: TestMessage): Uint8Array | null {
  const { id, key, user, headers } = from;
  if (id === null && key === null && user === null && headers === null) return null;
  return msgpackOf(
    metaValue({
      id,
      key,
      headers: headers === null ? null : new Map(Object.entries(headers)),
      traceparent: null,
      tracestate: null,
      timeMs: null,
      user,
    }),
  );
}
