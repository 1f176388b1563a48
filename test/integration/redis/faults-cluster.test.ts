import { expect } from "bun:test";

import { faultSuite, unbroken } from "./fault-suite.ts";

faultSuite("cluster", [
  { nemesis: "slotsMoved", target: 0, name: "nobody is told of a break", check: unbroken },
  { nemesis: "subscribersCut", target: 1, name: "what pub/sub lost is healed", check: unbroken },
  { nemesis: "handedOver", target: 1 },
  { nemesis: "masterKilled", target: 2, name: "the channels go on over the replica" },
  {
    nemesis: "tailLost",
    target: 0,
    name: "who had seen the lost tail is told of the break",
    check: ({ resynced }) => expect(resynced).toBeGreaterThan(0),
  },
]);
