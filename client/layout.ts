import { isUint } from "./msgpack-decoder.ts";

/**
 * Reads arrays from the broker by tables, "name:kind name:kind ...", one item for each name. A first word without
 * a kind is the type of a frame and stands for its op. Items absent at the end are read as nil.
 *
 *   u  unsigned integer     U  the same or nil     s  string          S  string or nil
 *   b  bytes, or text for its UTF-8                o  boolean         x  anything
 *   l  connection limits    m  meta or nil         h  headers or nil  p  publications of history
 *   n  nothing: nil whatever comes
 *
 * Tables, because the decoders of protocol/messages say more about what is wrong than a page wants to pay for:
 * they are 2 kB more. test/client/server-frame.test.ts holds the two equal.
 */

const LIMITS =
  "pingIntervalMs:u maxMessageBytes:u maxPayloadBytes:u maxSubscriptions:u receiptIntervalMs:U slowMs:U";
const META = "id:S key:S headers:h traceparent:S tracestate:S timeMs:U user:S";

type Check = (value: unknown) => unknown;

const utf8 = new TextEncoder();

const string: Check = (value) => {
  if (typeof value === "string") return value;
  throw new TypeError("a string is due");
};

const uint: Check = (value) => {
  if (isUint(value)) return value;
  throw new TypeError("an unsigned integer is due");
};

const orNil =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null ? null : check(value);

const checks: Readonly<Record<string, Check>> = {
  u: uint,
  U: orNil(uint),
  s: string,
  S: orNil(string),
  b: (value) => (value instanceof Uint8Array ? value : utf8.encode(string(value) as string)),
  o: (value) => value === true,
  x: (value) => value ?? null,
  n: () => null,
  l: (value) => fields(LIMITS, value),
  m: orNil((value) => fields(META, value)),
  h: orNil((value) => new Map(Object.entries(value as object))),
  p: (value) => list("offset:u payload:b meta:m", value),
};

/** Tables taken apart when first used; there are some twenty. */
const parsed = new Map<string, string[][]>();

/**
 * The items of an array by the names of a table.
 * @throws TypeError when one is not of its kind
 */
export function fields(table: string, values: unknown): unknown {
  let layout = parsed.get(table);
  if (layout === undefined) {
    layout = table.split(" ").map((field) => field.split(":"));
    parsed.set(table, layout);
  }
  const result: Record<string, unknown> = {};
  for (const [i, [name = "", kind]] of layout.entries()) {
    if (kind === undefined) result["type"] = name;
    else result[name] = (checks[kind] as Check)(array(values)[i]);
  }
  return result;
}

/** An array of arrays, each by the names of a table. */
export function list(table: string, values: unknown): unknown[] {
  return array(values).map((item) => fields(table, item));
}

function array(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError("an array is due");
}
