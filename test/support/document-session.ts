import { chmod, mkdir } from "node:fs/promises";
import { delimiter, dirname, join, resolve } from "node:path";

import { cleanEnvironment, CLI_ENTRY, CliProcess } from "./process.ts";
import { commandLines } from "./readme-commands.ts";

/** A fenced block of a Markdown text. */
interface Block {
  readonly language: string;
  readonly text: string;
}

/** What a document calls the broker. */
const NAMED_PORT = "127.0.0.1:9300";

/**
 * Follows a document as its reader would, from the first block to the last, in one folder: files that it shows with
 * their name in a first comment are written, and its commands are run. `serve` and `sub` keep running, as in terminals
 * of their own.
 */
export class DocumentSession implements AsyncDisposable {
  /** Every command that was run, in order. */
  readonly commands: string[] = [];
  readonly #root: string;
  #folder: string;
  #broker: CliProcess | null = null;
  #brokerUrl: string | null = null;
  readonly #subscribers: CliProcess[] = [];

  constructor(folder: string) {
    this.#root = folder;
    this.#folder = folder;
  }

  /** What all subscribers have printed. */
  get received(): string {
    return this.#subscribers.map(({ stdout }) => stdout).join("");
  }

  /** @throws Error with what a command said, when it fails */
  async follow(markdown: string): Promise<void> {
    await this.#installCommand();
    for (const { language, text } of blocksOf(markdown)) {
      if (language === "sh") {
        for (const line of commandLines(`\`\`\`sh\n${text}\`\`\``)) await this.#run(line);
      } else await this.#write(text);
    }
  }

  async untilReceived(isEnough: (text: string) => boolean): Promise<void> {
    const [first] = this.#subscribers;
    await first?.untilStdout(isEnough);
  }

  async #run(line: string): Promise<void> {
    this.commands.push(line);
    const [, folder] = /^cd (\S+)$/.exec(line) ?? [];
    if (folder !== undefined) {
      // The way out of the checkout begins where the session is.
      const isInside = this.#folder !== this.#root || folder !== "..";
      if (isInside) this.#folder = resolve(this.#folder, folder);
    } else if (/^tickwire serve\b/.test(line)) await this.#serve(argumentsOf(line));
    else if (/^tickwire sub\b/.test(line)) await this.#subscribe(argumentsOf(line));
    else if (!line.startsWith("alias ")) await this.#runToEnd(line);
  }

  async #serve(args: readonly string[]): Promise<void> {
    const options = { cwd: this.#folder };
    const broker = new CliProcess([...args, "--port", "0", "--log", "json"], options);
    this.#broker = broker;
    await broker.untilStdout((text) => /"event":"listening".*\n/.test(text));
    this.#brokerUrl = /"url":"ws:\/\/([^"]+)"/.exec(broker.stdout)?.[1] ?? null;
  }

  async #subscribe(args: readonly string[]): Promise<void> {
    const env = { TICKWIRE_URL: this.#url() };
    const subscriber = new CliProcess(args, { cwd: this.#folder, env });
    this.#subscribers.push(subscriber);
    await subscriber.untilStderr((text) => text.includes("subscribed to "));
  }

  async #runToEnd(line: string): Promise<void> {
    const command = line.replaceAll(NAMED_PORT, this.#brokerUrl ?? NAMED_PORT);
    const child = Bun.spawn(["sh", "-c", command], {
      cwd: this.#folder,
      env: {
        ...cleanEnvironment({ TICKWIRE_URL: this.#url() }),
        PATH: `${join(this.#root, ".bin")}${delimiter}${process.env["PATH"] ?? ""}`,
      },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [code, stdout, stderr] = await Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    if (code !== 0) throw new Error(`${line}\nended with ${code}:\n${stdout}${stderr}`);
  }

  /** Files have a name in a comment of their first line; other blocks are for reading. */
  async #write(text: string): Promise<void> {
    const [first = "", ...rest] = text.split("\n");
    const name = /^\/\/ ([\w./-]+\.[a-z]+)$/.exec(first)?.[1];
    if (name === undefined) return;
    const path = join(this.#folder, name);
    await mkdir(dirname(path), { recursive: true });
    await Bun.write(path, rest.join("\n"));
  }

  /** `tickwire` of this checkout, as a program on the path. */
  async #installCommand(): Promise<void> {
    const path = join(this.#root, ".bin", "tickwire");
    await Bun.write(
      path,
      `#!/bin/sh\nexec "${process.execPath}" --no-install "${CLI_ENTRY}" "$@"\n`,
    );
    await chmod(path, 0o755);
  }

  /** A port nobody listens on, before there is a broker. */
  #url(): string {
    return `ws://${this.#brokerUrl ?? "127.0.0.1:1"}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#subscribers, this.#broker]) await child?.[Symbol.asyncDispose]();
  }
}

function blocksOf(markdown: string): Block[] {
  const blocks = markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm);
  return [...blocks].map(([, language = "", text = ""]) => ({ language, text }));
}

/** Words after `tickwire`, quotes removed. */
function argumentsOf(line: string): string[] {
  const words = line.match(/'[^']*'|"[^"]*"|\S+/g) ?? [];
  return words.slice(1).map((word) => word.replace(/^(['"])(.*)\1$/, "$2"));
}
