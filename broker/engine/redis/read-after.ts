import { randomEpoch } from "../epoch.ts";
import type { Keys } from "./keys.ts";
import type { RedisStream } from "./redis-stream.ts";
import { readScript } from "./scripts.ts";
import type { Shard } from "./shard.ts";

/** Entries read in one call. Each is a batch's publications of one channel, so one to 256. */
const ENTRIES_PER_READ = 256;

/** Where a node reads history. */
export interface HistorySource {
  readonly keys: Keys;
  /** @throws BrokerError unavailable while nobody has the partition */
  readonly shardOf: (stream: RedisStream) => Pick<Shard, "runBulk">;
}

/** One history entry: the publications that one batch had for the channel. */
export interface Entry {
  readonly firstOffset: number;
  readonly count: number;
  readonly timeMs: number;
  readonly run: Uint8Array;
}

export interface Reading {
  readonly epoch: string;
  readonly offset: number;
  readonly parent: RedisStream["parent"];
  readonly entries: readonly Entry[];
}

/** Reads history after an offset (null: all that is kept) in as many calls as it takes. */
export async function readAfter(
  { keys, shardOf }: HistorySource,
  stream: RedisStream,
  after: number | null,
): Promise<Reading> {
  const shard = shardOf(stream);
  const { partition, hash, options } = stream;
  const names = [keys.history(partition, hash), keys.meta(partition, hash)];
  const ttlMs = String(stream.metaTtlMs);
  let entries: Entry[] = [];
  let since = after ?? 0;
  let firstEpoch: string | null = null;
  for (;;) {
    const reply = await shard.runBulk(readScript, names, [
      randomEpoch(),
      ttlMs,
      String(since),
      String(ENTRIES_PER_READ),
    ]);
    const [epoch, top, parent, fork, raw] = reply as [Buffer, number, Buffer, number, RawEntry[]];
    const epochName = epoch.toString("latin1");
    firstEpoch ??= epochName;
    if (firstEpoch !== epochName) {
      // A failover between two reads: what the first one gave may not have survived it.
      entries = [];
      since = after ?? 0;
      firstEpoch = null;
      continue;
    }
    for (const item of raw) entries.push(toEntry(item));
    const last = entries.at(-1);
    if (last === undefined || raw.length < ENTRIES_PER_READ) {
      const parentEpoch = parent.toString("latin1");
      return {
        epoch: epochName,
        offset: top,
        parent: parentEpoch === "" ? null : { epoch: parentEpoch, forkOffset: fork },
        entries: withoutHoles(
          entries.filter(
            (entry) => entry.firstOffset + entry.count - 1 > top - options.historySize,
          ),
        ),
      };
    }
    since = last.firstOffset + last.count - 1;
  }
}

/** What follows the last hole: publishers with other bounds than ours may have trimmed between two reads. */
function withoutHoles(entries: readonly Entry[]): readonly Entry[] {
  let start = entries.length - 1;
  while (start > 0) {
    const before = entries[start - 1] as Entry;
    if (before.firstOffset + before.count !== (entries[start] as Entry).firstOffset) break;
    start--;
  }
  return start <= 0 ? entries : entries.slice(start);
}

type RawEntry = [id: Buffer, fields: Buffer[]];

function toEntry([id, fields]: RawEntry): Entry {
  const lastOffset = Number(id.toString("latin1").split("-")[0]);
  const field = (name: string): Buffer => {
    const index = fields.findIndex((item, i) => i % 2 === 0 && item.toString("latin1") === name);
    return fields[index + 1] ?? Buffer.alloc(0);
  };
  const count = Number(field("n").toString("latin1"));
  return {
    firstOffset: lastOffset - count + 1,
    count,
    timeMs: Number(field("t").toString("latin1")),
    run: field("d"),
  };
}
