import { defineTransform } from "../../../workers/sdk/index.ts";

interface Order {
  readonly kind?: string;
  readonly price?: number;
}

/** The transform that the tests of the test kit test. */
export const transform = defineTransform({
  name: "count-by-kind",
  version: "1.2.3",
  limits: { batch: 4, timeoutMs: 300 },
  setup: (_config, host) => {
    host.log.info("set up");
    return { factor: 10 };
  },
  lane: {
    create: () => ({ seen: 0 }),
    snapshot: (lane) => lane.seen,
    restore: (snapshot) => ({ seen: Number(snapshot) }),
    lookBack: 10,
    replay: (lane) => {
      lane.seen++;
    },
  },
  process(batch, { state, lane, log, metrics }) {
    for (const message of batch) {
      const order = message.json() as Order;
      if (order.kind === "hang") for (;;) Bun.sleepSync(1);
      if (order.kind === "test") message.drop("a test");
      else if (order.price === undefined) message.fail("no price");
      else if (order.price > 0) {
        const own = lane(message);
        message.replaceJson({ price: order.price * state.factor, seen: ++own.seen });
        message.setHeader("factor", String(state.factor));
        metrics.observe("price", order.price);
        if (order.price > 100) message.emit("large.orders", { price: order.price });
      } else log.warn("free", { price: order.price });
    }
  },
});
