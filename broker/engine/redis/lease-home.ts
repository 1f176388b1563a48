import { Code } from "../../../protocol/codes.ts";
import { BrokerError } from "../../api.ts";
import { failureOf } from "./connection.ts";
import type { Failure } from "./connection.ts";
import type { Script } from "./scripts.ts";
import type { Shard } from "./shard.ts";

/** Where a partition is now; null while nobody has it. */
export type ShardOf = (partition: number) => Shard | null;

/** The server that has what belongs to no channel: the first partition's, wherever that is now. */
export class Home {
  readonly #shardOf: ShardOf;

  constructor(shardOf: ShardOf) {
    this.#shardOf = shardOf;
  }

  /** @throws BrokerError unavailable while nobody has it */
  get shard(): Shard {
    return requireShard(this.#shardOf(0));
  }

  async run(
    script: Script,
    keys: readonly string[],
    args: readonly (string | Buffer)[],
  ): Promise<unknown> {
    return this.shard.runBulk(script, keys, args);
  }

  async call(command: string, ...args: string[]): Promise<unknown> {
    return this.shard.call(command, ...args);
  }
}

/** @throws BrokerError unavailable */
export function requireShard(shard: Shard | null): Shard {
  if (shard === null) throw new BrokerError(Code.unavailable);
  return shard;
}

/**
 * What a failed command is answered with. A refusal is not passing, and mostly means that somebody else
 * keeps something under our key: the message says which.
 */
export function asBrokerError(error: unknown, key = ""): BrokerError {
  if (error instanceof BrokerError) return error;
  const message = messageOf(error);
  if (message.startsWith("FOREIGN ")) {
    return new BrokerError(Code.internal, `the Redis key ${message.slice("FOREIGN ".length)}`);
  }
  if (message.startsWith("WRONGTYPE ")) {
    return new BrokerError(Code.internal, `the Redis key ${key} holds what is not Tickwire's`);
  }
  return new BrokerError(Code.unavailable, Code.unavailable.text, { cause: error });
}

/** `failureOf`, where the server may not even be known. */
export function failureKind(error: unknown): Failure {
  return error instanceof BrokerError ? "unsent" : failureOf(error);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Replies come as Buffers. */
export function texts(reply: unknown): string[] {
  return (reply as Buffer[]).map((item) => item.toString("utf8"));
}
