import { defineTransform } from "tickwire/transform";
import type { TransformMessage } from "tickwire/transform";
import * as v from "valibot";

import { OrderBook } from "./order-book.ts";
import type { BookOptions, BookSnapshot } from "./order-book.ts";
import { readUpdate, UpdateError } from "./update.ts";
import type { BookUpdate } from "./update.ts";

const Config = v.object({
  /** Levels of each side that count for the volume-weighted average price. */
  levels: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(500)), 10),
  /** Levels of each side that are kept; those beyond are forgotten. */
  maxLevels: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000)), 1000),
  /** Decimals of the averages. */
  decimals: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(12)), 6),
  /** `change` publishes every change of the top; `batch` only the newest of those that arrived together. */
  conflate: v.optional(v.picklist(["change", "batch"]), "change"),
  output: v.optional(v.picklist(["json", "msgpack"]), "json"),
});

/** Turns a feed of order book snapshots and deltas into the top of the book. One book for each channel. */
export default defineTransform({
  name: "order-book",
  version: "1.0.0",
  description: "Order book updates to top of book with volume-weighted average prices",
  config: Config,
  order: "channel",
  limits: { timeoutMs: 250 },

  setup: ({ levels, maxLevels, decimals }): BookOptions => ({ levels, maxLevels, decimals }),

  lane: {
    create: (_channel, options: BookOptions) => new OrderBook(options),
    snapshot: (book: OrderBook) => book.snapshot(),
    restore: (snapshot, _channel, options) => new OrderBook(options, snapshot as BookSnapshot),
  },

  process(batch, context) {
    const { conflate, output } = context.config;
    const updates = new Map<number, BookUpdate | Error>();
    /** Of each channel, the place of its newest update in this batch. */
    const newest = new Map<string, number>();
    for (const message of batch) {
      const update = read(message);
      updates.set(message.index, update);
      if (!(update instanceof Error)) newest.set(message.channel, message.index);
    }

    for (const message of batch) {
      const update = updates.get(message.index) as BookUpdate | Error;
      if (update instanceof Error) {
        message.fail(update);
        continue;
      }
      const book = context.lane(message);
      const applied = book.apply(update);
      if (applied === "no-snapshot" || applied === "gap") {
        context.metrics.count(applied);
        message.fail(new UpdateError(`${applied}: update ${update.id}; waiting for a snapshot`));
        continue;
      }
      if (applied === "old") {
        message.drop("old");
        continue;
      }
      if (conflate === "batch" && newest.get(message.channel) !== message.index) {
        message.drop("conflated");
        continue;
      }
      const top = book.takeChanged();
      if (top === null) message.drop("unchanged");
      else if (output === "json") message.replaceJson(top);
      else message.replace(top);
    }
  },
});

function read(message: TransformMessage): BookUpdate | Error {
  try {
    return readUpdate(message.decode());
  } catch (error) {
    return error instanceof Error ? error : new UpdateError(String(error));
  }
}
