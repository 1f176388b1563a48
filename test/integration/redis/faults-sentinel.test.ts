import { expect } from "bun:test";

import { faultSuite } from "./fault-suite.ts";

faultSuite("sentinel", [
  { nemesis: "masterKilled", name: "the channels go on over the replica" },
  {
    nemesis: "tailLost",
    name: "who had seen the lost tail is told of the break",
    check: ({ resynced }) => expect(resynced).toBeGreaterThan(0),
  },
]);
