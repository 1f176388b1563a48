import { expect, expectTypeOf, test } from "bun:test";

import { defineChannel } from "../../client/index.ts";
import type { Channel, Publication, Subscription, TickwireClient } from "../../client/index.ts";
import { thrown } from "../support/client-events.ts";

interface Quote {
  readonly bid: number;
  readonly ask: number;
}

test("a channel of a pattern keeps the codec and has the concrete name", () => {
  const encode = (quote: Quote): Uint8Array => Float64Array.of(quote.bid, quote.ask) as never;
  const quotes = defineChannel<Quote>("market.*", { encode });
  const one = quotes.at("market.xrp");
  expect(one.name).toBe("market.xrp");
  expect(one.encoding).toBe(encode);
  expect(one.decode).toBe(quotes.decode);
});

test("a name that is none, or does not match, is refused at once", () => {
  expect(thrown(() => defineChannel("a..b"))).toMatchObject({ code: "bad_channel", number: 4007 });
  expect(thrown(() => defineChannel("market.*").at("other.xrp")).code).toBe("bad_channel");
  expect(thrown(() => defineChannel("market.>").at("market.*")).code).toBe("bad_channel");
});

/** Only compiled: the type checker is the test, and nothing of it runs. */
function compiled(client: TickwireClient, quotes: Channel<Quote>): void {
  const typed = client.subscribe(quotes, {}, (publication) => {
    expectTypeOf(publication).toEqualTypeOf<Publication<Quote>>();
  });
  expectTypeOf(typed).toEqualTypeOf<Subscription<Quote>>();
  expectTypeOf(client.subscribe("a")).toEqualTypeOf<Subscription>();
  expectTypeOf(client.subscribe("a", { decode: "bytes" })).toEqualTypeOf<
    Subscription<Uint8Array>
  >();
  const text = client.subscribe("a", { decode: "text" }, ({ data }) => data.length);
  expectTypeOf(text).toEqualTypeOf<Subscription<string>>();
  const own = client.subscribe("a", { decode: (payload) => payload.length });
  expectTypeOf(own).toEqualTypeOf<Subscription<number>>();
  const newest = client.history(quotes).then(({ publications }) => publications[0]?.data);
  expectTypeOf(newest).toEqualTypeOf<Promise<Quote | undefined>>();

  void client.publish(quotes, { bid: 1, ask: 2 });
  // @ts-expect-error a quote has numbers
  void client.publish(quotes, { bid: "1", ask: 2 });
  // @ts-expect-error a quote has an ask
  client.send(quotes, { bid: 1 });
  client.send("a", 5, { encode: (value) => Uint8Array.of(value) });
  // @ts-expect-error the channel says how it is decoded
  client.subscribe(quotes, { decode: "text" });
  // @ts-expect-error there is no such event
  client.on("conected", () => {});
  client.on("reconnecting", ({ delayMs, error }) => [delayMs.toFixed(), error.code]);
}

test("types follow the channel, the decode option, or a function's result", () => {
  expect(compiled).toBeFunction();
});
