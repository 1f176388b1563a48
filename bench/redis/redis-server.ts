import { tmpdir } from "node:os";

import { findRedis } from "../../tools/redis.mjs";
import type { Child, Children } from "../support/children.ts";

/** How long a server may take to accept connections, ms. */
const START_MS = 10_000;

/** Ports tried, when another process takes the one that was free a moment ago. */
const MAX_PORT_TRIES = 5;

/** Longest output that is kept for a message, characters. */
const MAX_OUTPUT_CHARS = 4000;

/** Path of the server program, or a sentence for the user about why there is none. */
export function redisProgram(): { readonly path: string } | { readonly missing: string } {
  try {
    const path = findRedis();
    return path === undefined
      ? {
          missing:
            "There is no redis-server 7 or later on the PATH. Install Redis, name the program in TICKWIRE_REDIS_SERVER, or give servers that run already with --redis-url.",
        }
      : { path };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

/** A Redis server of our own that keeps nothing on disk. */
export class BenchRedis implements AsyncDisposable {
  readonly url: string;
  readonly #child: Child;

  private constructor(child: Child, url: string) {
    this.#child = child;
    this.url = url;
  }

  /** Resolves when it accepts connections. @throws Error with what it said, when it does not */
  static async start(children: Children, program: string): Promise<BenchRedis> {
    for (let round = 1; ; round++) {
      const port = freePort();
      const child = children.spawn(commandLine(program, port), process.env, tmpdir());
      const output = await untilReady(child);
      if (output === null) return new BenchRedis(child, `redis://127.0.0.1:${port}`);
      const wasTaken = output.includes("Address already in use");
      if (!wasTaken || round === MAX_PORT_TRIES) {
        throw new Error(`redis-server did not start: ${program}\n${output}`);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // It keeps nothing, so there is nothing to end politely.
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}

/**
 * Where `setpriv` exists, the kernel ends the server when this process ends, even when it is killed
 * outright; brokers and generator look after that themselves.
 */
function commandLine(program: string, port: number): string[] {
  const setpriv = Bun.which("setpriv");
  const guard = setpriv === null ? [] : [setpriv, "--pdeathsig", "KILL", "--"];
  const settings = ["--bind", "127.0.0.1", "--port", String(port), "--save", ""];
  return [...guard, program, ...settings, "--appendonly", "no", "--daemonize", "no"];
}

function freePort(): number {
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: () => {} },
  });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** Null once the server is ready; else all it said before it ended or the time was up. */
async function untilReady(child: Child): Promise<string | null> {
  const ready = Promise.withResolvers<string | null>();
  void watch(child.stdout, ready.resolve);
  // Nothing of interest goes there, but a full pipe would stop the server.
  void child.stderr.pipeTo(new WritableStream());
  const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
  const output = await ready.promise;
  clearTimeout(timer);
  return output;
}

/** Reads to the end, so that the server never waits for a reader. */
async function watch(
  stream: ReadableStream<Uint8Array>,
  report: (output: string | null) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let output = "";
  for await (const chunk of stream) {
    output = (output + decoder.decode(chunk, { stream: true })).slice(-MAX_OUTPUT_CHARS);
    if (output.includes("Ready to accept connections")) report(null);
  }
  report(output.trim());
}
