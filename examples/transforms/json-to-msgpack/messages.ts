import { z } from "zod";

const symbol = z.string().regex(/^[A-Z0-9]{2,12}([/-][A-Z0-9]{2,12})?$/, "must be like XRP-USDT");
const price = z.number().positive();
const quantity = z.number().nonnegative();
/** ISO 8601 or ms since 1970; ms since 1970 on the way out. */
const time = z
  .union([z.iso.datetime({ offset: true }), z.number().int().nonnegative()])
  .transform((value) => (typeof value === "string" ? Date.parse(value) : value));

const Trade = z.strictObject({
  type: z.literal("trade"),
  symbol,
  side: z.enum(["buy", "sell"]),
  price,
  quantity: quantity.positive(),
  time,
});

const Quote = z
  .strictObject({
    type: z.literal("quote"),
    symbol,
    bid: price,
    ask: price,
    bidSize: quantity.default(0),
    askSize: quantity.default(0),
    time,
  })
  .refine(({ bid, ask }) => bid <= ask, { path: ["bid"], message: "is above the ask" });

/** What may be published on the channels this transform is bound to. */
export const MESSAGES = z.discriminatedUnion("type", [Trade, Quote]);

export type Message = z.infer<typeof MESSAGES>;
