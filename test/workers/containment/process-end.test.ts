import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

import { cleanEnvironment } from "../../support/process.ts";
import { TempFolder } from "../../support/temp-folder.ts";
import { plugin } from "../host/runner-harness.ts";
import { ENDLESS_WASM_HEAD } from "./endless-wasm.ts";

const ENTRY = fileURLToPath(new URL("./runner.entry.ts", import.meta.url));

/** A runner's process, and the lines it has written. */
class RunnerProcess implements AsyncDisposable {
  readonly folder: TempFolder;
  readonly child: Bun.Subprocess<"ignore", "pipe", "inherit">;
  readonly #lines: AsyncIterator<string>;

  private constructor(folder: TempFolder, args: readonly string[], env: Record<string, string>) {
    this.folder = folder;
    this.child = Bun.spawn([process.execPath, "--no-install", ENTRY, folder.path, ...args], {
      env: cleanEnvironment(env),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#lines = linesOf(this.child.stdout);
  }

  static async start(
    source: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<RunnerProcess> {
    const folder = await TempFolder.create();
    await folder.write("probe.ts", source);
    return new RunnerProcess(folder, args, env);
  }

  async line(): Promise<string> {
    const next = await this.#lines.next();
    if (next.done === true) throw new Error("the process has ended");
    return next.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
    await this.folder[Symbol.asyncDispose]();
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n")) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
}

/** Resolves when there is no such process any more. */
async function untilGone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const LOOPS = plugin(`if (text === "loop") for (;;); m.replace(String(process.pid));`);

test.each(["SIGKILL", "SIGTERM"] as const)(
  "a worker's process in an endless loop ends with the runner that got %s",
  async (signal) => {
    await using runner = await RunnerProcess.start(LOOPS, ["process", "pid", "loop"]);
    const line = await runner.line();
    const pid = Number(line.split(" ")[1]);
    expect(pid).toBeGreaterThan(1);
    expect(pid).not.toBe(runner.child.pid);
    runner.child.kill(signal);
    await runner.child.exited;
    await untilGone(pid);
    if (signal === "SIGTERM") expect(runner.child.exitCode).toBe(0);
  },
);

test("a worker's process has an empty environment", async () => {
  const source = plugin(`m.replace(Object.keys(process.env).join());`);
  const env = { TICKWIRE_SECRET: "of the broker", AWS_SECRET_ACCESS_KEY: "too" };
  await using runner = await RunnerProcess.start(source, ["process", "x"], env);
  await Bun.write(`${runner.folder.path}/.env`, "FROM_FILE=1");
  expect(await runner.line()).not.toMatch(/SECRET|PATH|HOME|FROM_FILE/);
});

test("a thread that cannot be ended is replaced, and does not hold up the exit", async () => {
  const source = plugin(`if (text === "loop") spin(); m.replace(text);`, {
    head: ENDLESS_WASM_HEAD,
    extra: "limits: { timeoutMs: 300 },",
  });
  await using runner = await RunnerProcess.start(source, ["thread", "1", "loop", "2"]);
  expect(await runner.line()).toBe("publish 1");
  expect(await runner.line()).toBe("drop -");
  expect(await runner.line()).toBe("publish 2");
  runner.child.kill("SIGTERM");
  expect(await runner.child.exited).toBe(0);
});

test("threads in an endless loop end with their process on SIGTERM", async () => {
  await using runner = await RunnerProcess.start(LOOPS, ["thread", "pid", "loop"]);
  expect(await runner.line()).toBe(`publish ${runner.child.pid}`);
  runner.child.kill("SIGTERM");
  expect(await runner.child.exited).toBe(0);
});
