import { patternMatches } from "../../../protocol/channel-name.ts";
import type { ChannelSummary, ConnectionSummary } from "../../api.ts";
import type { ChannelQuery, ConnectionQuery } from "../../cluster/directory.ts";
import { pageScript } from "./directory-scripts.ts";
import { nameHash } from "./keys.ts";
import type { Keys } from "./keys.ts";
import { texts } from "./lease-home.ts";
import type { Home, ShardOf } from "./lease-home.ts";

/** Entries read in one call. */
const MAX_PAGE = 1000;

export interface PagesOptions {
  readonly home: Home;
  readonly keys: Keys;
  readonly shardOf: ShardOf;
}

/** Keys of the list of this name that the holder of a lease keeps. */
export function listKeys(
  keys: Keys,
  list: "connections" | "channels",
  lease: string,
): readonly [index: string, texts: string] {
  const name = keys.home(`${list}:${lease}`);
  return [`${name}:i`, `${name}:v`];
}

type Position = Pick<ChannelSummary, "epoch" | "offset">;

interface Row {
  readonly id: string;
  readonly text: string;
}

/** Reads other nodes' lists, page by page. */
export class Pages {
  readonly #options: PagesOptions;

  constructor(options: PagesOptions) {
    this.#options = options;
  }

  /** The first entries after an id, by id, among those whose alias has this beginning (null: all). */
  async #page(
    list: "connections" | "channels",
    lease: string,
    aliasStart: string | null,
    { after, limit }: { readonly after: string | null; readonly limit: number },
    prefix = "",
  ): Promise<Row[]> {
    const { home, keys } = this.#options;
    const start = aliasStart === null ? "i" : `a${aliasStart}`;
    // Names that begin with the prefix, or lie after `after`, whichever is later.
    const first = after === null || after < prefix ? `[${start}${prefix}` : `(${start}${after}`;
    const reply = await home.run(pageScript, listKeys(keys, list, lease), [
      first,
      `(${start}${prefix}\u007f`,
      String(limit),
      String(start.length),
    ]);
    const [ids, values] = reply as [Buffer[], (Buffer | null)[]];
    return texts(ids).map((id, index) => {
      const value = values[index]?.toString("utf8") ?? "";
      return { id, text: value.slice(value.indexOf(" ") + 1) };
    });
  }

  /** Connections of one other node. */
  async connections(lease: string, query: ConnectionQuery): Promise<ConnectionSummary[]> {
    const { user, limit } = query;
    const alias = user === null ? null : `${nameHash(user)}.`;
    const summaries: ConnectionSummary[] = [];
    let { after } = query;
    for (;;) {
      const size = Math.min(limit - summaries.length, MAX_PAGE);
      const page = await this.#page("connections", lease, alias, { after, limit: size });
      for (const { text } of page) {
        const summary = readSummary(text);
        if (summary !== null) summaries.push(summary);
      }
      after = page.at(-1)?.id ?? null;
      if (page.length < size || summaries.length >= limit) return summaries;
    }
  }

  /** Channels of one other node that match, and their subscribers there. */
  async channels(lease: string, query: ChannelQuery): Promise<Map<string, number>> {
    const { pattern, limit } = query;
    const matching = new Map<string, number>();
    const prefix = literalStart(pattern);
    let { after } = query;
    for (;;) {
      const page = await this.#page("channels", lease, null, { after, limit: MAX_PAGE }, prefix);
      for (const { id, text } of page) {
        if (matching.size < limit && patternMatches(pattern, id)) matching.set(id, Number(text));
      }
      after = page.at(-1)?.id ?? null;
      if (page.length < MAX_PAGE || matching.size >= limit) return matching;
    }
  }

  /** Where recoverable channels stand; those without a position, or whose shard is away, are left out. */
  async positions(names: readonly string[]): Promise<Map<string, Position>> {
    const { keys, shardOf } = this.#options;
    const found = new Map<string, Position>();
    const groups = Map.groupBy(names, (name) => shardOf(keys.partition(name)));
    const readings = [...groups].map(async ([shard, group]) => {
      const commands = group.map((name) => [
        "hmget",
        keys.meta(keys.partition(name), nameHash(name)),
        "e",
        "o",
      ]);
      const replies = (await shard?.pipeline(commands)) ?? [];
      for (const [index, name] of group.entries()) {
        const [epoch, offset] = (replies[index]?.[1] ?? []) as (string | null | undefined)[];
        if (typeof epoch === "string") found.set(name, { epoch, offset: Number(offset ?? 0) });
      }
    });
    await Promise.allSettled(readings);
    return found;
  }
}

/** What every name that matches begins with. */
function literalStart(pattern: string): string {
  const wild = pattern.search(/[*>]/);
  return wild < 0 ? pattern : pattern.slice(0, wild);
}

/** Null for what is not ours. */
function readSummary(text: string): ConnectionSummary | null {
  try {
    const summary = JSON.parse(text) as Partial<ConnectionSummary> | null;
    return typeof summary?.connection === "string" ? (summary as ConnectionSummary) : null;
  } catch {
    return null;
  }
}
