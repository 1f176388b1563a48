import { expect } from "bun:test";

import { faultSuite, unbroken } from "./fault-suite.ts";

const isHealed = "what pub/sub lost is healed";
const isRefused = "what Redis refuses is said to be refused";

faultSuite(
  "single",
  [
    { nemesis: "subscribersCut", name: isHealed, check: unbroken },
    { nemesis: "connectionsCut", name: "nobody is told of a break", check: unbroken },
    { nemesis: "scriptsForgotten", name: "nobody is told of a break", check: unbroken },
    { nemesis: "redisStopped", name: "nobody is told of a break", check: unbroken },
    { nemesis: "brokerDelayed", target: 1, name: "nobody is told of a break", check: unbroken },
    {
      nemesis: "nothingReceived",
      target: 1,
      until: "redis_subscriber_dead",
      name: "the dead connection is found and replaced",
      check: unbroken,
    },
    {
      nemesis: "brokerBlackHoled",
      target: 0,
      until: "redis_subscriber_dead",
      name: "the publishing broker stores each publication once",
      check: unbroken,
    },
    {
      nemesis: "repliesLost",
      target: 0,
      until: "redis_subscriptions_lost",
      name: "each publication is stored once",
      check: unbroken,
    },
    { nemesis: "brokerCutOff", target: 0, name: isHealed, check: unbroken },
    { nemesis: "streamsCut", target: 1, name: isHealed, check: unbroken },
    {
      nemesis: "memoryFull",
      name: isRefused,
      check: (figures) => {
        unbroken(figures);
        expect(figures.refused).toBeGreaterThan(0);
      },
    },
    {
      nemesis: "replicasMissing",
      name: isRefused,
      check: (figures) => {
        unbroken(figures);
        expect(figures.refused).toBeGreaterThan(0);
      },
    },
    {
      nemesis: "positionsEvicted",
      name: "subscribers are told of the break",
      check: ({ resynced }) => expect(resynced).toBeGreaterThan(0),
    },
    {
      nemesis: "everythingFlushed",
      name: "subscribers are told of the break",
      check: ({ resynced }) => expect(resynced).toBeGreaterThan(0),
    },
    { nemesis: "redisKilled", name: "the channels go on from disk" },
  ],
  { appendonly: true, title: "one Redis that keeps a file" },
);
