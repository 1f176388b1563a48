/** What a feed says of a book: all of it, or what changed. Prices and quantities arrive as text or as numbers. */
export interface BookUpdate {
  readonly type: "snapshot" | "delta";
  /** When the exchange sent it, ms since 1970. */
  readonly timeMs: number;
  /** Number of the update; a delta's is one more than that of the update before. */
  readonly id: number;
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

type Level = readonly [price: number, quantity: number];

/** The payload is no update of an order book; the message says what is wrong with it. */
export class UpdateError extends Error {
  override readonly name = "UpdateError";
}

/**
 * Reads `{"type":"snapshot"|"delta","ts":…,"data":{"u":…,"b":[[price,quantity],…],"a":[…]}}`, as decoded from JSON
 * or msgpack.
 * @throws UpdateError
 */
export function readUpdate(value: unknown): BookUpdate {
  const { type, ts, data } = record(value, "the payload");
  if (type !== "snapshot" && type !== "delta") {
    throw new UpdateError(`type is ${JSON.stringify(type)}, neither snapshot nor delta`);
  }
  const { u, b, a } = record(data, "data");
  return {
    type,
    timeMs: finite(ts, "ts"),
    id: finite(u, "data.u"),
    bids: levels(b, "data.b"),
    asks: levels(a, "data.a"),
  };
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UpdateError(`${what} is no object`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function levels(value: unknown, what: string): Level[] {
  if (!Array.isArray(value)) throw new UpdateError(`${what} is no list`);
  return value.map((level: unknown, i): Level => {
    if (!Array.isArray(level)) throw new UpdateError(`${what}[${i}] is no pair`);
    const price = finite(level[0], `${what}[${i}][0]`);
    const quantity = finite(level[1], `${what}[${i}][1]`);
    if (price <= 0 || quantity < 0) throw new UpdateError(`${what}[${i}] is below zero`);
    return [price, quantity];
  });
}

function finite(value: unknown, what: string): number {
  const isText = typeof value === "string" && value !== "";
  // msgpack has 64-bit integers of its own.
  const number = isText || typeof value === "bigint" ? Number(value) : value;
  if (typeof number === "number" && Number.isFinite(number)) return number;
  throw new UpdateError(`${what} is no number`);
}
