import { fileURLToPath } from "node:url";

import { CliError } from "../errors.ts";

const ENTRY = fileURLToPath(new URL("../main.ts", import.meta.url));

/** A broker in a process of its own, as an application would meet it. */
export class DemoBroker implements AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly #child: Bun.Subprocess<"ignore", "pipe", "ignore">;

  private constructor(child: Bun.Subprocess<"ignore", "pipe", "ignore">, url: string) {
    this.#child = child;
    this.pid = child.pid;
    this.url = url;
  }

  /** Starts it on a free port and waits until it listens. @throws CliError */
  static async start(): Promise<DemoBroker> {
    const env: Record<string, string> = {};
    // The demo shows the broker as it comes, whatever the shell is set up for.
    for (const [name, value] of Object.entries(process.env)) {
      if (value !== undefined && !name.startsWith("TICKWIRE_")) env[name] = value;
    }
    const options = ["--port=0", "--log=json", "--history-size=10000", "--drain-ms=0"];
    const child = Bun.spawn(
      [process.execPath, "--no-orphans", "--no-install", ENTRY, "serve", ...options],
      {
        cwd: fileURLToPath(new URL("./", import.meta.url)),
        env,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "ignore",
        // Ctrl-C is for the demo, which ends the broker when the last figures have been read.
        detached: true,
      },
    );
    const url = await readUrl(child.stdout);
    if (url === null) throw new CliError(`the broker ended with exit code ${await child.exited}`);
    return new DemoBroker(child, url);
  }

  /** Resolves if the broker ends. */
  get exited(): Promise<number> {
    return this.#child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.exited;
  }
}

/** Reads the log up to the line that says where it listens, and the rest for nothing. */
async function readUrl(log: ReadableStream<Uint8Array>): Promise<string | null> {
  const reader = log.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return null;
    text += decoder.decode(value, { stream: true });
    const line = text.split("\n").find((item) => item.includes('"event":"listening"'));
    if (line === undefined) continue;
    void discard(reader);
    return (JSON.parse(line) as { url: string }).url;
  }
}

/** A full pipe would make the broker drop log lines. */
async function discard(reader: { read(): Promise<{ readonly done: boolean }> }): Promise<void> {
  while (!(await reader.read()).done);
}
