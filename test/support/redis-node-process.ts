import { fileURLToPath } from "node:url";

import type { ProtocolClient } from "./protocol-client.ts";
import { connectAs } from "./redis-node.ts";
import type { RedisNodeOptions } from "./redis-node.ts";
import { processState } from "./redis/process-state.ts";
import { waitUntil } from "./redis/wait.ts";

const ENTRY = fileURLToPath(new URL("redis-node.entry.ts", import.meta.url));

/** A node in a process of its own, which can crash and stand still. Disposing of it kills it. */
export class RedisNodeProcess implements AsyncDisposable {
  readonly url: string;
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;

  private constructor(child: Bun.Subprocess<"pipe", "pipe", "inherit">, url: string) {
    this.#child = child;
    this.url = url;
  }

  static async start(options: RedisNodeOptions): Promise<RedisNodeProcess> {
    const child = Bun.spawn([process.execPath, "--no-install", ENTRY, JSON.stringify(options)], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    let said = "";
    for await (const chunk of child.stdout) {
      said += new TextDecoder().decode(chunk);
      if (said.includes("\n")) return new RedisNodeProcess(child, said.trim());
    }
    throw new Error("the node ended before it said where it is");
  }

  /** A client of this user, who may use every channel. */
  connect(user: string): Promise<ProtocolClient> {
    return connectAs(this.url, user);
  }

  /** SIGKILL: it ends without a word to anybody. */
  async crash(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  /** SIGSTOP: it stands still, and its connections stay open. */
  async freeze(): Promise<void> {
    this.#child.kill("SIGSTOP");
    await waitUntil("it stands still", () => processState(this.#child.pid) === "stopped");
  }

  /** SIGCONT. */
  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash();
  }
}
