import { RedisClient } from "bun";

/** What Redis servers did between two readings, all together. */
export interface RedisUse {
  /** User and system time of their processes, ms. */
  readonly cpuMs: number;
  /** How often each command was executed, by name; those of scripts and the reading itself included. */
  readonly commands: Readonly<Record<string, number>>;
}

/**
 * Reads what Redis servers have done since they started. CPU time comes from Redis itself: it is the
 * kernel's figure, but in microseconds, and can be had of servers on other machines too.
 */
export class RedisProbe implements Disposable {
  readonly #clients: readonly RedisClient[];

  constructor(urls: readonly string[]) {
    this.#clients = urls.map((url) => new RedisClient(url, { autoReconnect: false }));
  }

  /** @throws Error when a server does not answer */
  async read(): Promise<RedisUse> {
    const texts = await Promise.all(
      this.#clients.flatMap((client) =>
        ["cpu", "commandstats"].map((section) => client.send("INFO", [section])),
      ),
    );
    return parseInfo(texts.join("\r\n"));
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client.close();
  }
}

/** Sums up the `cpu` and `commandstats` sections of any number of servers. */
export function parseInfo(text: string): RedisUse {
  let cpuMs = 0;
  const commands: Record<string, number> = {};
  for (const line of text.split("\r\n")) {
    const [, seconds] = /^used_cpu_(?:sys|user):([\d.]+)$/.exec(line) ?? [];
    if (seconds !== undefined) cpuMs += Number(seconds) * 1000;
    const [, command = "", calls] = /^cmdstat_([^:]+):calls=(\d+)/.exec(line) ?? [];
    if (calls === undefined) continue;
    commands[command] = (commands[command] ?? 0) + Number(calls);
  }
  return { cpuMs, commands };
}

/** What was done between two readings; commands that were not used are left out. */
export function redisUseBetween(from: RedisUse | null, to: RedisUse | null): RedisUse | null {
  if (from === null || to === null) return null;
  const commands = Object.entries(to.commands)
    .map(([name, calls]) => [name, calls - (from.commands[name] ?? 0)] as const)
    .filter(([, calls]) => calls > 0);
  return { cpuMs: to.cpuMs - from.cpuMs, commands: Object.fromEntries(commands) };
}

/**
 * Calls that publications took: scripts, and publishes that no script made. A publish script publishes once
 * itself, so the greater of both counts is the number of calls. It includes the message that each node
 * sends itself every second, and its other scripts, which are a few a second.
 */
export function redisCalls({ commands }: RedisUse): number {
  const count = (...names: readonly string[]): number =>
    names.reduce((sum, name) => sum + (commands[name] ?? 0), 0);
  return Math.max(count("evalsha", "eval"), count("publish", "spublish"));
}
