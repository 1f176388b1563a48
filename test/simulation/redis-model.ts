import { publishScript, readScript } from "../../broker/engine/redis/scripts.ts";
import type { Script } from "../../broker/engine/redis/scripts.ts";

interface Position {
  epoch: string;
  offset: number;
  fence: string;
  parent: string;
  fork: number;
}

interface Entry {
  readonly last: number;
  readonly run: Buffer;
  readonly count: string;
  readonly time: string;
}

/** Everything a server holds; plain data, so that it can be copied as replication does. */
interface Data {
  readonly rings: Map<string, { readonly seq: number; readonly results: readonly string[] }>;
  readonly positions: Map<string, Position>;
  readonly histories: Map<string, readonly Entry[]>;
  readonly ids: Map<string, string>;
}

export interface Published {
  readonly channel: string;
  readonly message: Buffer;
}

/** What the scripts take for each group of a batch. */
const GROUP_ARGS = 8;
const BATCH_ARGS = 8;

/**
 * What the two scripts do, written down a second time, without expiry: a differential test holds it to the
 * real ones. Keys and arguments are the scripts' own.
 */
export class RedisModel {
  #data: Data = emptyData();
  #fence = "fence-0";
  #fenceCount = 0;

  /** Runs a script as EVALSHA would, and gives what it published to `publish`. */
  run(
    { sha }: Script,
    keys: readonly string[],
    args: readonly (string | Buffer)[],
    publish: (published: Published) => void,
  ): unknown {
    if (sha === publishScript.sha) return this.#publish(keys, args, publish);
    if (sha === readScript.sha) return this.#read(keys, args);
    throw new Error("no such script");
  }

  /** HMGET of a position's epoch and offset, as an audit asks. */
  position(key: string): [epoch: string | null, offset: string | null] {
    const position = this.#data.positions.get(key);
    return position === undefined ? [null, null] : [position.epoch, String(position.offset)];
  }

  #publish(
    keys: readonly string[],
    args: readonly (string | Buffer)[],
    publish: (published: Published) => void,
  ): unknown {
    const [seq, channel, , fresh, time, groups] = args.map(String) as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const ring = keys[0] as string;
    const last = this.#data.rings.get(ring);
    if (last !== undefined && last.seq === Number(seq)) return [1, last.results.map(toBuffer)];
    if (last !== undefined && last.seq > Number(seq)) return [2];
    const header = Buffer.from(args[7] as Buffer);
    const results: string[] = [];
    const parts: Buffer[] = [];
    const routed: Published[] = [];
    for (let i = 0; i < Number(groups); i++) {
      const [history, meta, idKey] = keys.slice(1 + 3 * i) as [string, string, string];
      const given = args.slice(BATCH_ARGS + GROUP_ARGS * i);
      const [name, count, , size] = given.map(String) as [string, string, string, string];
      const hasId = String(given[6]) !== "0";
      const seen = hasId ? this.#data.ids.get(idKey) : undefined;
      if (seen !== undefined) {
        results.push(`${seen}:1`);
        continue;
      }
      const position = this.#positionOf(meta, history, fresh);
      const newest = position.offset + Number(count);
      const first = position.offset + 1;
      position.offset = newest;
      const entry = { last: newest, run: Buffer.from(given[2] as Buffer), count, time };
      this.#append(history, entry, newest - Number(size) + 1, position, fresh);
      const result = `${first}:${position.epoch}`;
      if (hasId) this.#data.ids.set(idKey, result);
      results.push(`${result}:0`);
      const part = groupOf(name, position.epoch, first, Number(count), Number(time), entry.run);
      const route = String(given[7]);
      if (route === "") parts.push(part);
      else routed.push({ channel: route, message: Buffer.concat([header, part]) });
    }
    this.#data.rings.set(ring, { seq: Number(seq), results });
    if (parts.length > 0) publish({ channel, message: Buffer.concat([header, ...parts]) });
    for (const message of routed) publish(message);
    return [0, results.map(toBuffer)];
  }

  #append(history: string, entry: Entry, oldest: number, position: Position, fresh: string): void {
    const entries = this.#data.histories.get(history) ?? [];
    if ((entries.at(-1)?.last ?? 0) >= entry.last) {
      // Redis has more history than position: what it holds is of no known order.
      position.epoch = fresh;
      position.parent = "";
      position.fork = 0;
      this.#data.histories.set(history, [entry]);
    } else {
      const kept = entries.filter(({ last }) => last >= oldest);
      this.#data.histories.set(history, [...kept, entry]);
    }
  }

  #positionOf(meta: string, history: string, fresh: string): Position {
    let position = this.#data.positions.get(meta);
    if (position?.fence === this.#fence) return position;
    if (position === undefined) {
      position = { epoch: fresh, offset: 0, fence: this.#fence, parent: "", fork: 0 };
      this.#data.histories.delete(history);
    } else {
      const { epoch, offset } = position;
      position = { epoch: fresh, offset, fence: this.#fence, parent: epoch, fork: offset };
    }
    this.#data.positions.set(meta, position);
    return position;
  }

  #read(keys: readonly string[], args: readonly (string | Buffer)[]): unknown {
    const [history, meta] = keys as [string, string];
    const [fresh, , after, limit] = args.map(String) as [string, string, string, string];
    const { epoch, offset, parent, fork } = this.#positionOf(meta, history, fresh);
    const entries = (this.#data.histories.get(history) ?? [])
      .filter(({ last }) => last > Number(after))
      .slice(0, Number(limit))
      .map(({ last, run, count, time }) => [
        toBuffer(`${last}-0`),
        [toBuffer("d"), run, toBuffer("n"), toBuffer(count), toBuffer("t"), toBuffer(time)],
      ]);
    return [toBuffer(epoch), offset, toBuffer(parent), fork, entries];
  }

  /** A copy of the data, as a replica has it at this moment. */
  replicate(): Data {
    return structuredCloneOf(this.#data);
  }

  /** A replica takes over with what it has: all that was done since is gone. */
  promote(data: Data): void {
    this.#data = structuredCloneOf(data);
    this.renewFence();
  }

  /** What happens to the replication id whenever a server is promoted or comes back from disk. */
  renewFence(): void {
    this.#fence = `fence-${++this.#fenceCount}`;
  }

  flushAll(): void {
    this.#data = emptyData();
  }

  deletePosition(key: string): void {
    this.#data.positions.delete(key);
  }

  deleteHistory(key: string): void {
    this.#data.histories.delete(key);
  }

  setOffset(key: string, offset: number): void {
    const position = this.#data.positions.get(key);
    if (position !== undefined) position.offset = offset;
  }
}

export type ReplicaData = Data;

function emptyData(): Data {
  return { rings: new Map(), positions: new Map(), histories: new Map(), ids: new Map() };
}

function structuredCloneOf({ rings, positions, histories, ids }: Data): Data {
  return {
    rings: new Map(rings),
    positions: new Map(Array.from(positions, ([key, position]) => [key, { ...position }])),
    histories: new Map(histories),
    ids: new Map(ids),
  };
}

function toBuffer(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

function groupOf(
  name: string,
  epoch: string,
  first: number,
  count: number,
  time: number,
  run: Buffer,
): Buffer {
  const head = Buffer.alloc(name.length + epoch.length + 24);
  let at = head.writeUInt8(name.length, 0);
  at += head.write(name, at, "latin1");
  at = head.writeUInt8(epoch.length, at);
  at += head.write(epoch, at, "latin1");
  at = head.writeBigUInt64BE(BigInt(first), at);
  at = head.writeUInt16BE(count, at);
  at = head.writeBigUInt64BE(BigInt(time), at);
  head.writeUInt32BE(run.length, at);
  return Buffer.concat([head, run]);
}
