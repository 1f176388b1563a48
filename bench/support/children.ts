import type { Subprocess } from "bun";

/** A child whose standard output we read. */
export type Child = Subprocess<Blob, "pipe", "pipe">;

/** Longest end of a child's standard error that is kept for a message, characters. */
const MAX_ERROR_CHARS = 4000;

/** The processes of a run: none outlives it, however it ends. */
export class Children {
  readonly #running = new Set<Child>();

  /** @param env the whole environment of the child; @param input what its standard input holds */
  spawn(
    command: readonly string[],
    env: Record<string, string | undefined>,
    cwd: string,
    input = "",
  ): Child {
    const child = Bun.spawn([...command], {
      cwd,
      env,
      stdin: new Blob([input]),
      stdout: "pipe",
      stderr: "pipe",
      onExit: (exited) => void this.#running.delete(exited),
    });
    this.#running.add(child);
    return child;
  }

  /** Ends all that still run, at once. */
  killAll(): void {
    for (const child of this.#running) child.kill("SIGKILL");
  }
}

/** The end of what a stream says, kept while it flows; a full pipe would stop the child. */
export class Tail {
  #text = "";
  readonly ended: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.ended = this.#collect(stream);
  }

  get text(): string {
    return this.#text.trim();
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#text = (this.#text + decoder.decode(chunk, { stream: true })).slice(-MAX_ERROR_CHARS);
    }
  }
}
