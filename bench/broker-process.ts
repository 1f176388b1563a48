import { fileURLToPath } from "node:url";

import { Tail } from "./support/children.ts";
import type { Child, Children } from "./support/children.ts";
import { pinned } from "./support/environment.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
export const tickwireEntry = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const bareEntry = fileURLToPath(new URL("reference/bare-server.ts", import.meta.url));

/** How long a broker may take to listen, and to end when told to, ms. */
const START_MS = 15_000;
const STOP_MS = 5000;

export interface BrokerStart {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly processor: number | null;
  /** Directory for CPU profiles; null for none. */
  readonly profileDir: string | null;
}

/** What runs the bare Bun reference. */
export function bareCommand(): string[] {
  return [bareEntry];
}

/** What runs a Tickwire broker: this tree's unless another main is given. */
export function tickwireCommand(entry: string | null): string[] {
  return [entry ?? tickwireEntry, "serve", "--port", "0", "--log", "json"];
}

/** A broker in a process of its own, from its first line of output to its end. */
export class BrokerProcess implements AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly #child: Child;

  private constructor(child: Child, port: number) {
    this.#child = child;
    this.pid = child.pid;
    this.port = port;
  }

  /** Starts a broker and resolves when it listens. @throws Error with what it said, when it does not */
  static async start(children: Children, options: BrokerStart): Promise<BrokerProcess> {
    const profile =
      options.profileDir === null
        ? []
        : ["--cpu-prof", "--cpu-prof-md", `--cpu-prof-dir=${options.profileDir}`];
    const command = [process.execPath, "--no-orphans", ...profile, ...options.command];
    const child = children.spawn(
      pinned(command, options.processor),
      environment(options.env),
      root,
    );
    const errors = new Tail(child.stderr);
    const listening = Promise.withResolvers<number | null>();
    void watchOutput(child.stdout, listening.resolve);
    const timer = setTimeout(() => listening.resolve(null), START_MS);
    const port = await listening.promise;
    clearTimeout(timer);
    if (port !== null) return new BrokerProcess(child, port);
    child.kill("SIGKILL");
    await Promise.all([child.exited, errors.ended]);
    throw new Error(`the broker did not start: ${options.command.join(" ")}\n${errors.text}`);
  }

  /** Stops it, or lets it go on. */
  kill(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  /** Ends it politely, so that it can write its profile; by force when it does not go. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGCONT");
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    await this.#child.exited;
    clearTimeout(timer);
  }
}

/** Ours without settings that would make the measured broker another one. */
function environment(extra: Readonly<Record<string, string>>): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(TICKWIRE|OTEL)_/.test(name));
  return { ...Object.fromEntries(inherited), NODE_ENV: "production", ...extra };
}

/** Reports the port of the listening line, or null when the output ends without one; then reads on. */
async function watchOutput(
  stream: ReadableStream<Uint8Array>,
  report: (port: number | null) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  let isListening = false;
  for await (const chunk of stream) {
    if (isListening) continue;
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const port = listeningPort(line);
      if (port === null) continue;
      isListening = true;
      report(port);
    }
  }
  report(null);
}

function listeningPort(line: string): number | null {
  if (!line.startsWith("{")) return null;
  try {
    const entry = JSON.parse(line) as { event?: unknown; port?: unknown };
    return entry.event === "listening" && typeof entry.port === "number" ? entry.port : null;
  } catch (error) {
    // A line of something else that starts with a brace.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
