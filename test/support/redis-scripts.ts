import {
  MessageKind,
  RUN_HEADER_BYTES,
  writeHeader,
  writeRunEntry,
} from "../../broker/engine/redis/envelope.ts";
import { publishScript, readScript } from "../../broker/engine/redis/scripts.ts";
import type { Script } from "../../broker/engine/redis/scripts.ts";

/** One channel's publications in a batch. */
export interface GroupSpec {
  readonly channel: string;
  readonly texts: readonly string[];
  /** Publication id of a group of one. */
  readonly id?: string;
  readonly historySize?: number;
  readonly historyTtlMs?: number;
  readonly idWindowMs?: number;
  /** Whether its messages go over a pub/sub channel of its own. */
  readonly isRouted?: boolean;
}

export interface BatchSpec {
  readonly node?: string;
  readonly seq: number;
  readonly groups: readonly GroupSpec[];
  /** Epoch that a stream without one gets. */
  readonly fresh: string;
  readonly ringTtlMs?: number;
}

/** "executed", "replayed" or "forgotten", and a result per group: `offset:epoch:duplicate` or an error. */
export interface BatchReply {
  readonly state: "executed" | "replayed" | "forgotten";
  readonly results: readonly string[];
}

export interface ReadReply {
  readonly epoch: string;
  readonly offset: number;
  readonly parent: { readonly epoch: string; readonly forkOffset: number } | null;
  /** `last offset: count run-as-hex` of each entry. */
  readonly entries: readonly {
    readonly last: number;
    readonly count: number;
    readonly run: string;
  }[];
}

const HEADER = writeHeader({
  kind: MessageKind.ordered,
  producer: "n.1",
  sentMs: 1_800_000_000_000.5,
  openedMs: 1_800_000_000_000,
});

/** Publications as they lie in history. */
export function runOf(texts: readonly string[]): Buffer {
  const payloads = texts.map((text) => Buffer.from(text));
  const run = Buffer.alloc(
    payloads.reduce((sum, { length }) => sum + length + RUN_HEADER_BYTES, 0),
  );
  let at = 0;
  for (const payload of payloads) at = writeRunEntry(run, at, payload, 0, payload.length, null);
  return run;
}

/** Names of one prefix's keys, and the arguments that the scripts take: as the engine gives them. */
export class ScriptCalls {
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  history(channel: string): string {
    return `${this.prefix}:h:${channel}`;
  }

  meta(channel: string): string {
    return `${this.prefix}:m:${channel}`;
  }

  id(channel: string, id: string): string {
    return `${this.prefix}:i:${channel}:${id}`;
  }

  ring(node = "n"): string {
    return `${this.prefix}:r:${node}`;
  }

  get pubsub(): string {
    return `${this.prefix}:c`;
  }

  ownPubsub(channel: string): string {
    return `${this.pubsub}:${channel}`;
  }

  publish({ node, seq, groups, fresh, ringTtlMs = 60_000 }: BatchSpec): (string | Buffer)[] {
    const keys = [this.ring(node)];
    const args: (string | Buffer)[] = [
      String(seq),
      this.pubsub,
      "PUBLISH",
      fresh,
      "1800000000000",
      String(groups.length),
      String(ringTtlMs),
      HEADER,
    ];
    for (const { channel, texts, id, isRouted, ...options } of groups) {
      const { historySize = 100, historyTtlMs = 60_000, idWindowMs = 60_000 } = options;
      const meta = this.meta(channel);
      keys.push(this.history(channel), meta, id === undefined ? meta : this.id(channel, id));
      args.push(channel, String(texts.length), runOf(texts), String(historySize));
      args.push(String(historyTtlMs), "60000", id === undefined ? "0" : String(idWindowMs));
      args.push(isRouted === true ? this.ownPubsub(channel) : "");
    }
    return call(publishScript, keys, args);
  }

  read(channel: string, fresh: string, after = 0, limit = 1000): (string | Buffer)[] {
    const keys = [this.history(channel), this.meta(channel)];
    return call(readScript, keys, [fresh, "60000", String(after), String(limit)]);
  }
}

function call(
  { source }: Script,
  keys: readonly string[],
  args: readonly (string | Buffer)[],
): (string | Buffer)[] {
  return ["EVAL", source, String(keys.length), ...keys, ...args];
}

const STATES = ["executed", "replayed", "forgotten"] as const;

export function readBatchReply(reply: unknown): BatchReply {
  const [state, results = []] = reply as [number, Buffer[]?];
  const name = STATES[state];
  if (name === undefined) throw new Error(`the publish script answered ${state}`);
  return { state: name, results: results.map(String) };
}

export function readReadReply(reply: unknown): ReadReply {
  const [epoch, offset, parent, fork, raw] = reply as [
    Buffer,
    number,
    Buffer,
    number,
    [Buffer, Buffer[]][],
  ];
  return {
    epoch: String(epoch),
    offset,
    parent: String(parent) === "" ? null : { epoch: String(parent), forkOffset: fork },
    entries: raw.map(([entryId, [, run, , count]]) => ({
      last: Number(String(entryId).split("-")[0]),
      count: Number(count),
      run: (run as Buffer).toString("hex"),
    })),
  };
}
