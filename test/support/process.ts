import { fileURLToPath } from "node:url";

/** What the `tickwire` binary runs. */
export const CLI_ENTRY = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** What a command sees of our environment: no setting of the machine may change a test. */
export function cleanEnvironment(
  added: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(TICKWIRE|OTEL)_/.test(name)) kept[name] = value;
  }
  return { ...kept, NO_COLOR: "1", ...added };
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The whole of its standard input, or "open" for what `write` and `endInput` give; default: none. */
  readonly input?: Uint8Array | "open";
}

function stdinOf(input: SpawnOptions["input"]): "pipe" | "ignore" | Uint8Array {
  if (input === undefined) return "ignore";
  return input === "open" ? "pipe" : input;
}

/** A `tickwire` command in a process of its own. Disposing of it kills it. */
export class CliProcess implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"pipe" | "ignore" | Uint8Array, "pipe", "pipe">;
  readonly #stdout: Collected;
  readonly #stderr: Collected;

  constructor(args: readonly string[], options: SpawnOptions = {}) {
    this.#child = Bun.spawn([process.execPath, "--no-install", CLI_ENTRY, ...args], {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: cleanEnvironment(options.env ?? {}),
      stdin: stdinOf(options.input),
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#stdout = new Collected(this.#child.stdout);
    this.#stderr = new Collected(this.#child.stderr);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Everything on standard output so far. */
  get stdout(): string {
    return this.#stdout.text;
  }

  get stdoutBytes(): Uint8Array {
    return this.#stdout.bytes;
  }

  get stderr(): string {
    return this.#stderr.text;
  }

  /** The exit code, 128 + n after signal n, once the output is complete. */
  get exited(): Promise<number> {
    return Promise.all([this.#child.exited, this.#stdout.ended, this.#stderr.ended]).then(
      ([code]) => code,
    );
  }

  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    this.#child.kill(signal);
  }

  write(text: string | Uint8Array): void {
    const { stdin } = this.#child;
    if (typeof stdin !== "object") throw new Error("standard input is no pipe");
    void stdin.write(text);
    void stdin.flush();
  }

  endInput(): void {
    const { stdin } = this.#child;
    if (typeof stdin === "object") void stdin.end();
  }

  /** Resolves when standard output satisfies the condition. @throws when the process ends before that */
  untilStdout(isEnough: (text: string) => boolean): Promise<void> {
    return this.#until(this.#stdout, isEnough);
  }

  untilStderr(isEnough: (text: string) => boolean): Promise<void> {
    return this.#until(this.#stderr, isEnough);
  }

  async #until(output: Collected, isEnough: (text: string) => boolean): Promise<void> {
    while (!isEnough(output.text)) {
      if (await output.more()) continue;
      throw new Error(`the process ended first; it said:\n${this.stdout}\n${this.stderr}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}

/** Runs a command to its end. */
export async function runCli(
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  await using command = new CliProcess(args, options);
  const code = await command.exited;
  const { stdout, stderr } = command;
  return { code, stdout, stderr };
}

export interface BrokerProcess extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** `ws://host:port` */
  readonly url: string;
  /** `http://host:port` */
  readonly httpUrl: string;
  /** What it logged so far, as JSON lines. */
  readonly log: string;
  readonly stderr: string;
  /** The exit code, 128 + n after signal n. */
  readonly exited: Promise<number>;
  kill(signal?: NodeJS.Signals): void;
  /** Resolves when the log satisfies the condition. */
  untilLog(isEnough: (text: string) => boolean): Promise<void>;
}

/**
 * Starts `tickwire serve` in a process of its own, on a free port unless `args` name one, and resolves when
 * it listens. Disposing of it kills it.
 */
export async function startBrokerProcess(
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<BrokerProcess> {
  const port = args.some((arg) => /^--port(=|$)/.test(arg)) ? [] : ["--port", "0"];
  const command = new CliProcess(["serve", ...port, "--log", "json", ...args], { env });
  try {
    await command.untilStdout((text) => /"event":"listening".*\n/.test(text));
  } catch (error) {
    await command[Symbol.asyncDispose]();
    throw error;
  }
  const listening = command.stdout.split("\n").find((line) => line.includes('"event":"listening"'));
  const { url, port: chosen } = JSON.parse(listening ?? "{}") as { url: string; port: number };
  return {
    port: chosen,
    pid: command.pid,
    url,
    httpUrl: url.replace(/^ws:/, "http:"),
    get log() {
      return command.stdout;
    },
    get stderr() {
      return command.stderr;
    },
    exited: command.exited,
    kill: (signal) => command.kill(signal),
    untilLog: (isEnough) => command.untilStdout(isEnough),
    [Symbol.asyncDispose]: () => command[Symbol.asyncDispose](),
  };
}

/** Output of a process as it comes. */
class Collected {
  readonly ended: Promise<void>;
  readonly #chunks: Uint8Array[] = [];
  readonly #decoder = new TextDecoder();
  #hasEnded = false;
  #waiters: (() => void)[] = [];
  text = "";

  constructor(stream: ReadableStream<Uint8Array>) {
    this.ended = this.#collect(stream);
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }

  /** Resolves when more has come: true; or when nothing more will: false. */
  async more(): Promise<boolean> {
    if (this.#hasEnded) return false;
    const before = this.text.length;
    await new Promise<void>((resolve) => this.#waiters.push(resolve));
    return this.text.length > before || !this.#hasEnded;
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream) {
      this.#chunks.push(chunk);
      this.text += this.#decoder.decode(chunk, { stream: true });
      this.#wake();
    }
    this.#hasEnded = true;
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}
