import { expect, test } from "bun:test";

import { BrokerError } from "../../../broker/api.ts";
import type { Engine } from "../../../broker/engine/engine.ts";
import { Settler } from "../../../broker/transforms/settler.ts";
import { Ticket } from "../../../broker/transforms/ticket.ts";
import { Code } from "../../../protocol/codes.ts";
import { PlainNode } from "../../support/plain-node.ts";
import { emission, outcome } from "../../support/plain-transforms.ts";

/** The same engine, that refuses publications on these channels as one over a network would. */
function refusing(engine: Engine, channels: readonly string[]): Engine {
  const publish: Engine["publish"] = (...args) => {
    const [stream, , , , , , ack, requestId] = args;
    if (!channels.includes(stream.name)) return engine.publish(...args);
    ack?.publishFailed(requestId, new BrokerError(Code.unavailable));
    return 0;
  };
  return new Proxy(engine, {
    get: (target, name) => {
      if (name === "publish") return publish;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Settles one publication on "a" that emits to "b" and "c"; what its publisher hears, and what was stored. */
function settled(...refused: string[]): { readonly replies: string[]; readonly stored: string[] } {
  const node = new PlainNode({}, (engine) => refusing(engine, refused));
  const { engine, hub, stats, clock } = node;
  const channel = hub.open("a");
  const replies: string[] = [];
  const ticket = new Ticket({
    host: { ended: () => undefined },
    channel,
    publisher: {
      transformPending: 0,
      published: (_id, offset) => replies.push(`published ${offset}`),
      publishFailed: (_id, error) => replies.push(error.info.name),
    },
    requestId: 1,
    publicationId: null,
    meta: null,
    bytes: 1,
  });
  const emissions = [emission("b", "x"), emission("c", "y")];
  new Settler({ engine, hub, stats, clock, mayEmit: () => true }).settle(
    ticket,
    channel,
    outcome.publish("main", { emissions }),
  );
  const stored = ["a", "b", "c"].filter((name) => hub.open(name).stream.log.offset > 0);
  return { replies, stored };
}

test("a publication the engine refuses emits nothing: it will be published again", () => {
  expect(settled("a")).toEqual({ replies: ["unavailable"], stored: [] });
});

test("an emission the engine refuses makes the outcome unknown, and the others are stored", () => {
  expect(settled("b")).toEqual({ replies: ["publish_unknown"], stored: ["a", "c"] });
  expect(settled()).toEqual({ replies: ["published 1"], stored: ["a", "b", "c"] });
});
