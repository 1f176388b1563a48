import { expect } from "bun:test";

import { faultSuite, unbroken } from "./fault-suite.ts";

const isHealed = "what pub/sub lost is healed";

// The same promises with a pub/sub channel for each channel: here it is subscriptions that there are many of.
faultSuite(
  "single",
  [
    { nemesis: "subscribersCut", name: isHealed, check: unbroken },
    { nemesis: "connectionsCut", name: "nobody is told of a break", check: unbroken },
    {
      nemesis: "nothingReceived",
      target: 1,
      until: "redis_subscriber_dead",
      name: "the dead connection is found and replaced",
      check: unbroken,
    },
    { nemesis: "brokerCutOff", target: 0, name: isHealed, check: unbroken },
    {
      nemesis: "everythingFlushed",
      name: "subscribers are told of the break",
      check: ({ resynced }) => expect(resynced).toBeGreaterThan(0),
    },
  ],
  { title: "one Redis, routed by channel", config: { routing: "channel" } },
);

faultSuite(
  "cluster",
  [
    { nemesis: "slotsMoved", target: 0, name: "nobody is told of a break", check: unbroken },
    { nemesis: "subscribersCut", target: 1, name: isHealed, check: unbroken },
    { nemesis: "handedOver", target: 1 },
  ],
  { title: "a cluster, routed by channel", config: { routing: "channel" } },
);
