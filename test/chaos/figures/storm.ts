import { startBrokerProcess } from "../../support/process.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { commandCounts, countsBetween, streamReads } from "../../support/redis/command-counts.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import type { Figure } from "./figure.ts";
import type { StormOrder, StormReport } from "./storm-messages.ts";

const CLIENTS = 5000;
const PROCESSES = 2;
const CHANNEL = "game.lobby";
const PUBLISH_EVERY_MS = 20;
const ENTRY = new URL("./storm-clients.entry.ts", import.meta.url).pathname;

/** One process of clients. */
class StormProcess {
  readonly #child: Bun.Subprocess<"ignore", "inherit", "inherit">;
  readonly #reports: StormReport[] = [];
  #wake = Promise.withResolvers<void>();

  constructor(order: StormOrder) {
    this.#child = Bun.spawn([process.execPath, ENTRY], {
      stdio: ["ignore", "inherit", "inherit"],
      ipc: (message: StormReport) => {
        this.#reports.push(message);
        this.#wake.resolve();
      },
    });
    this.#child.send(order);
  }

  async next<Type extends StormReport["type"]>(
    type: Type,
  ): Promise<Extract<StormReport, { readonly type: Type }>> {
    for (;;) {
      const found = this.#reports.find((report) => report.type === type);
      if (found !== undefined) return found as Extract<StormReport, { readonly type: Type }>;
      this.#wake = Promise.withResolvers<void>();
      await this.#wake.promise;
    }
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

/**
 * 5000 clients of one channel, in two processes on plain sockets, lose their broker (SIGKILL) and come at once, without
 * back-off, to another one that does not know the channel, while publishing goes on there.
 */
export async function reconnectStorm(log: (text: string) => void): Promise<Figure[]> {
  await using redis = await startRedis();
  const args = ["--redis", redis.url, "--history-size", "1000"];
  await using first = await startBrokerProcess(args);
  await using second = await startBrokerProcess(args);
  await using publisher = await ProtocolClient.connect(second.url);
  await publisher.publish(CHANNEL, "first");
  using clients = new DisposableStack();
  const ports = [first.port, second.port] as const;
  const order = { ports, count: CLIENTS / PROCESSES, channel: CHANNEL };
  const processes = Array.from({ length: PROCESSES }, () => clients.use(new StormProcess(order)));
  await Promise.all(processes.map((one) => one.next("joined")));

  const storm = { isOver: false };
  const publishing = (async () => {
    let count = 0;
    for (; !storm.isOver; count++) {
      await publisher.publish(CHANNEL, `storm ${count}`);
      await Bun.sleep(PUBLISH_EVERY_MS);
    }
    return count;
  })();
  const before = await commandCounts(redis);
  const killedMs = Date.now();
  first.kill("SIGKILL");
  const reports = await Promise.all(processes.map((one) => one.next("recovered")));
  const counts = countsBetween(before, await commandCounts(redis));
  storm.isOver = true;
  const published = await publishing;
  const lost = reports.reduce((sum, report) => sum + report.lost, 0);
  if (lost > 0) throw new Error(`${lost} clients did not get all they missed`);
  const all = [...counts]
    .toSorted((a, b) => b[1] - a[1])
    .map(([name, count]) => `${name} ${count}`);
  log(`storm: ${published} publications meanwhile; Redis executed ${all.join(", ")}`);
  const times = reports.flatMap(({ atMs }) => atMs).map((atMs) => atMs - killedMs);
  return [
    {
      name: `storm of ${CLIENTS} clients: each has what it missed`,
      how: "from the death of their broker; two client processes on the same machine",
      samples: times,
      unit: "ms",
      target: 5000,
    },
    {
      name: `storm of ${CLIENTS} clients: Redis read for history and positions`,
      how: "XRANGE and HMGET in INFO commandstats, scripts included",
      samples: [streamReads(counts)],
      unit: "reads",
      target: 100,
    },
  ];
}
