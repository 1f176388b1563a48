import { MsgpackDecoder } from "../../client/msgpack-decoder.ts";

/** How a payload reads, by what its bytes look like. */
export type PayloadKind = "empty" | "json" | "text" | "msgpack" | "bytes";

export interface PayloadText {
  readonly kind: PayloadKind;
  /** One line without control characters, so that no payload can steer the terminal. */
  readonly text: string;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const msgpack = new MsgpackDecoder();
/** Bytes shown of a payload that is neither text nor msgpack. */
const MAX_HEX_BYTES = 32;

/** Shows a payload to people. The publisher alone knows what the bytes are; this is a good guess. */
export function payloadText(bytes: Uint8Array): PayloadText {
  if (bytes.length === 0) return { kind: "empty", text: "(empty)" };
  const text = plainText(bytes);
  if (text !== null) return { kind: isJson(text) ? "json" : "text", text: escapeControls(text) };
  try {
    // A plain view: the binaries of a Buffer would be Buffers, which turn into something else in JSON.
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { kind: "msgpack", text: escapeControls(valueText(msgpack.decode(view))) };
  } catch {
    return { kind: "bytes", text: hexText(bytes) };
  }
}

/** The payload as text, without a line end; null when it is not UTF-8 or holds control characters. */
function plainText(bytes: Uint8Array): string | null {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return null; // Not UTF-8.
  }
  const line = text.replace(/\r?\n?$/, "");
  return hasBinaryControls(line) ? null : line;
}

/** Control characters that texts do not have; white space and the escapes of coloured logs may be there. */
function hasBinaryControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const isSpace = unit >= 0x09 && unit <= 0x0d;
    if ((unit < 0x20 && !isSpace && unit !== 0x1b) || unit === 0x7f) return true;
  }
  return false;
}

function isJson(text: string): boolean {
  const first = text.trimStart()[0];
  if (first !== "{" && first !== "[") return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // Looks like JSON, but is not.
  }
}

function valueText(value: unknown): string {
  return (
    JSON.stringify(value, (_key, item: unknown) => {
      if (typeof item === "bigint") return item.toString();
      if (item instanceof Uint8Array) return `<${item.length} bytes ${hexOf(item)}>`;
      return item;
    }) ?? "undefined"
  );
}

function hexText(bytes: Uint8Array): string {
  return `${hexOf(bytes)} (${bytes.length} ${bytes.length === 1 ? "byte" : "bytes"})`;
}

function hexOf(bytes: Uint8Array): string {
  const shown = bytes.subarray(0, MAX_HEX_BYTES).toHex();
  return bytes.length > MAX_HEX_BYTES ? `${shown}...` : shown;
}

/** Control characters, and the marks that turn the direction of text, as escapes. */
function escapeControls(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (char) => SHORT_ESCAPES[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
