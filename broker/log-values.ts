/** What a log line may hold of a value: short, harmless to terminals and without secrets. */

/** Characters of one field. */
const MAX_FIELD_LENGTH = 256;

/** Characters of a stack trace, which is only logged for errors. */
const MAX_STACK_LENGTH = 2048;

const HIDDEN = "(hidden)";

/** Names of fields that hold secrets; ids of tokens and their counts are none. */
const SECRET_NAME =
  /(token|jwt|bearer)$|secret|passw|authorization|cookie|api[-_]?keys?$|credential|private/i;

/** A JSON Web Token, or what follows "Bearer" in a header, anywhere in a text. */
const SECRET_TEXT = /\beyJ[\w-]{8,}\.[\w-]+(\.[\w-]*)?|\bbearer\s+\S+/gi;

/** Control characters, line separators, and the marks that turn the direction of text around. */
// oxlint-disable-next-line no-control-regex -- these are what must be found
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

export type LogValue = string | number | boolean | null;

/** Escapes as JSON does, so that a JSON string stays one. */
export function escapeUnsafe(text: string): string {
  return text.replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function capped(text: string, max = MAX_FIELD_LENGTH): string {
  // Cut first: what a pattern has to look at is bounded as well.
  const safe = text.slice(0, max * 4).replaceAll(SECRET_TEXT, HIDDEN);
  return safe.length > max ? `${safe.slice(0, max)}...` : safe;
}

/** One field of a log line. */
export function logValue(name: string, value: unknown): LogValue {
  if (SECRET_NAME.test(name) && value !== null && typeof value !== "boolean") return HIDDEN;
  switch (typeof value) {
    case "string":
      return capped(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
      return value;
    case "object":
      return value === null ? null : objectValue(value);
    default:
      return capped(String(value));
  }
}

function objectValue(value: object): string {
  if (value instanceof Error) return capped(errorText(value));
  if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`;
  try {
    return capped(JSON.stringify(value, (name, item) => nested(name, item)));
  } catch {
    return "(cannot be written as JSON)";
  }
}

function nested(name: string, item: unknown): unknown {
  if (SECRET_NAME.test(name) && item !== null) return HIDDEN;
  if (item instanceof Error) return errorText(item);
  return typeof item === "bigint" ? String(item) : item;
}

/** An error and what caused it, without the stack. */
function errorText(error: Error): string {
  const cause = error.cause instanceof Error ? ` (caused by ${errorText(error.cause)})` : "";
  return `${error.name}: ${error.message}${cause}`;
}

/** The stack of an error, for the people who run the broker; never for those who use it. */
export function stackOf(error: Error): string {
  return capped(error.stack ?? errorText(error), MAX_STACK_LENGTH);
}
