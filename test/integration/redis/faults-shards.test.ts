import { expect } from "bun:test";

import { faultSuite, unbroken } from "./fault-suite.ts";

faultSuite(
  "shards",
  [
    { nemesis: "redisStopped", target: 1, name: "nobody is told of a break", check: unbroken },
    {
      nemesis: "nothingReceived",
      target: 0,
      until: "redis_subscriber_dead",
      name: "the dead connections are found and replaced",
      check: unbroken,
    },
    { nemesis: "brokerCutOff", target: 1, name: "what pub/sub lost is healed", check: unbroken },
    { nemesis: "historyEvicted", target: 1 },
    {
      nemesis: "redisKilled",
      target: 1,
      name: "subscribers of the channels that are gone are told so",
      check: ({ resynced }) => expect(resynced).toBeGreaterThan(0),
    },
  ],
  { title: "two servers that keep nothing" },
);
