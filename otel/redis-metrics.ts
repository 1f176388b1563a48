import { scalar } from "./instrument.ts";
import type { Instrument } from "./instrument.ts";

const SHARD_STATES = ["ok", "degraded", "down"];

/** What this node does with Redis and with the other nodes. */
export const REDIS_INSTRUMENTS: readonly Instrument[] = [
  scalar(
    "counter",
    "tickwire_redis_batches_total",
    "{batch}",
    "Batches of publications handed to Redis.",
    (s) => s.stats.batches,
  ),
  scalar(
    "counter",
    "tickwire_redis_redeliveries_dropped_total",
    "{publication}",
    "Publications that came from Redis once more and were left out.",
    (s) => s.stats.duplicatesDropped,
  ),
  scalar(
    "counter",
    "tickwire_redis_gaps_healed_total",
    "{gap}",
    "Holes in what came from Redis that were filled from history.",
    (s) => s.stats.gapsHealed,
  ),
  scalar(
    "counter",
    "tickwire_redis_resets_total",
    "{reset}",
    "Channels whose stream could not be continued: their subscribers were told to begin anew.",
    (s) => s.stats.resets,
  ),
  scalar(
    "counter",
    "tickwire_redis_publishes_given_up_total",
    "{publication}",
    "Publishes whose outcome was not known in time.",
    (s) => s.stats.gaveUp,
  ),
  {
    kind: "gauge",
    name: "tickwire_redis_shards",
    unit: "{shard}",
    description: "Redis servers this node works with, by how they are.",
    labels: { state: SHARD_STATES },
    read: ({ shards }) =>
      SHARD_STATES.map((state) => ({
        labels: [state],
        value: shards.filter((shard) => shard.state === state).length,
      })),
  },
  scalar(
    "counter",
    "tickwire_redis_leases_lost_total",
    "{lease}",
    "Times this node was taken for dead and wrote itself down again.",
    (s) => s.stats.leasesLost,
  ),
  scalar(
    "counter",
    "tickwire_redis_nodes_swept_total",
    "{node}",
    "Dead nodes this one cleaned up after.",
    (s) => s.stats.nodesSwept,
  ),
  scalar(
    "counter",
    "tickwire_redis_admitted_unchecked_total",
    "{connection}",
    "Connections admitted by the local count alone, as Redis could not be asked.",
    (s) => s.stats.admittedUnchecked,
  ),
];
