import type { ChannelSummary, ConnectionSummary } from "../../api.ts";
import type { ChannelQuery, ConnectionQuery, LocalDirectory } from "../../cluster/directory.ts";
import type { Logger } from "../../ports.ts";
import { Pages } from "./directory-pages.ts";
import type { Keys } from "./keys.ts";
import { messageOf } from "./lease-home.ts";
import type { Home, ShardOf } from "./lease-home.ts";
import type { Lease } from "./lease.ts";

export interface DirectoryQueryOptions {
  readonly local: LocalDirectory;
  readonly home: Home;
  readonly keys: Keys;
  readonly lease: Lease;
  readonly shardOf: ShardOf;
  readonly logger: Logger;
}

/** Merges what this node knows of itself with the lists of the other nodes that have a lease. */
export class DirectoryQuery {
  readonly #options: DirectoryQueryOptions;
  readonly #pages: Pages;

  constructor(options: DirectoryQueryOptions) {
    this.#options = options;
    this.#pages = new Pages(options);
  }

  async connections(query: ConnectionQuery): Promise<readonly ConnectionSummary[]> {
    const { local } = this.#options;
    const pages = await this.#ofOthers((lease) => this.#pages.connections(lease, query));
    const all = new Map<string, ConnectionSummary>();
    for (const page of [...pages, local.connections(query)]) {
      for (const summary of page) all.set(summary.connection, summary);
    }
    return [...all.values()]
      .toSorted((a, b) => (a.connection < b.connection ? -1 : 1))
      .slice(0, query.limit);
  }

  async channels(query: ChannelQuery): Promise<readonly ChannelSummary[]> {
    const { local } = this.#options;
    const counts = new Map<string, number>();
    const pages = await this.#ofOthers((lease) => this.#pages.channels(lease, query));
    const own = new Map(local.channels(query).map((summary) => [summary.name, summary]));
    // A node's first `limit` matches hold all it has among the first `limit` of all nodes.
    for (const page of [...pages, [...own.values()].map(nameAndCount)]) {
      for (const [name, count] of page) counts.set(name, (counts.get(name) ?? 0) + count);
    }
    const names = [...counts.keys()].toSorted().slice(0, query.limit);
    const positions = await this.#pages.positions(names);
    return names.map((name) => {
      const { epoch, offset } = positions.get(name) ?? own.get(name) ?? { epoch: "", offset: 0 };
      return { name, subscribers: counts.get(name) ?? 0, epoch, offset };
    });
  }

  /** What other nodes have; nothing of those whose lists cannot be read, which is logged. */
  async #ofOthers<Page>(read: (lease: string) => Promise<Page>): Promise<Page[]> {
    const { lease, logger } = this.#options;
    const others = await lease.view.others();
    const readings = await Promise.allSettled(others.map((name) => read(name)));
    const failed = readings.find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") {
      logger.log("warn", "directory_incomplete", { error: messageOf(failed.reason) });
    }
    return readings.flatMap((reading) => (reading.status === "fulfilled" ? [reading.value] : []));
  }
}

function nameAndCount({ name, subscribers }: ChannelSummary): readonly [string, number] {
  return [name, subscribers];
}
