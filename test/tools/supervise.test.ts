// The signals between a launcher, the command it runs and whoever started it.
// The command under test writes down each signal, and on the first one drains until it gets SIGUSR2
// from the test. So nothing here depends on how long anything takes: a drain that is cut short ends
// without its last word.
import { describe, expect, test } from "bun:test";

import { Checkout, NPM, RUNTIMES } from "./checkout.ts";

// Both scripts end by themselves in the end, so that a failing test leaves nothing running.
const LIMIT = "const LIMIT_MS = 60_000;";
const DRAINING = `${LIMIT}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => console.log(signal));
process.on("SIGUSR2", () => { console.log("drained"); process.exit(5); });
setTimeout(() => process.exit(99), LIMIT_MS);
console.log("pid " + process.pid);
`;
/** Can be ended by SIGKILL only. */
const STUBBORN = `${LIMIT}
process.on("SIGTERM", () => {});
console.log("pid " + process.pid);
while (performance.now() < LIMIT_MS) {}
`;

/** As in our package.json: the shell makes way for the launcher, so that signals reach it. */
const SCRIPTS = { start: "exec node tools/run.mjs serve.ts" };

/** Reads a process's output as far as a condition needs it. */
class Reader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** Waits for a match; throws when the output ends without one. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    while (true) {
      const match = pattern.exec(this.#text);
      if (match !== null) return match;
      const { done, value } = await this.#reader.read();
      if (done) throw new Error(`the output ended without ${pattern}: ${this.#text}`);
      this.#text += this.#decoder.decode(value, { stream: true });
    }
  }

  /** Waits until everything that holds the other end has ended. */
  async toEnd(): Promise<string> {
    while (true) {
      const { done, value } = await this.#reader.read();
      if (done) return this.#text;
      this.#text += this.#decoder.decode(value, { stream: true });
    }
  }

  async pid(): Promise<number> {
    return Number((await this.until(/pid (\d+)\r?\n/))[1]);
  }
}

for (const { name, program = "" } of RUNTIMES) {
  describe.skipIf(program === "")(`a launcher under ${name}`, () => {
    test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
      "passes %s on once, and waits for the drain",
      async (signal) => {
        await using checkout = await Checkout.makeReady({ "serve.ts": DRAINING });
        const started = checkout.start(program, ["serve.ts"]);
        const output = new Reader(started.stdout);
        const pid = await output.pid();
        started.kill(signal);
        await output.until(new RegExp(signal));
        process.kill(pid, "SIGUSR2");
        expect(await output.toEnd()).toBe(`pid ${pid}\n${signal}\ndrained\n`);
        expect(await started.exited).toBe(5);
      },
    );

    test("passes a signal to the whole process group on once", async () => {
      await using checkout = await Checkout.makeReady({ "serve.ts": DRAINING });
      const started = checkout.start(program, ["serve.ts"], { detached: true });
      const output = new Reader(started.stdout);
      const pid = await output.pid();
      process.kill(-started.pid, "SIGTERM");
      await output.until(/SIGTERM/);
      // A later signal is told apart, and comes after anything the first one caused.
      process.kill(-started.pid, "SIGHUP");
      await output.until(/SIGHUP/);
      process.kill(pid, "SIGUSR2");
      expect(await output.toEnd()).toBe(`pid ${pid}\nSIGTERM\nSIGHUP\ndrained\n`);
    });

    test("in a terminal, Ctrl-C reaches the command once", async () => {
      await using checkout = await Checkout.makeReady({ "serve.ts": DRAINING });
      await expectOneInterrupt(checkout, [program, "tools/run.mjs", "serve.ts"]);
    });

    test("takes the command along when it is killed, even one that does not listen", async () => {
      await using checkout = await Checkout.makeReady({ "hang.ts": STUBBORN });
      const started = checkout.start(program, ["hang.ts"]);
      const output = new Reader(started.stdout);
      await output.pid();
      started.kill("SIGKILL");
      // The end of the output is the end of the command: it held the other end.
      expect(await output.toEnd()).toMatch(/^pid \d+\n$/);
    });
  });
}

describe.skipIf(NPM === undefined)("under npm (skipped where npm is not installed)", () => {
  test("in a terminal, Ctrl-C reaches the command of npm start once", async () => {
    await using checkout = await Checkout.makeReady({ "serve.ts": DRAINING }, { scripts: SCRIPTS });
    await checkout.useNpm();
    await expectOneInterrupt(checkout, ["npm", "start"]);
  });

  test.each(["SIGTERM", "SIGINT", "SIGKILL"] as const)(
    "npm start ended by %s drains the command and leaves nothing behind",
    (signal) => expectRunnerToDrain(["npm", "start"], signal),
  );

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "so does one whose shell stays between npm and the launcher, ended by %s",
    (signal) =>
      expectRunnerToDrain(["npm", "start"], signal, { start: "node tools/run.mjs serve.ts; exit" }),
  );
});

describe("under bun run", () => {
  test("in a terminal, Ctrl-C reaches the command of bun run start once", async () => {
    await using checkout = await Checkout.makeReady({ "serve.ts": DRAINING }, { scripts: SCRIPTS });
    await expectOneInterrupt(checkout, [process.execPath, "run", "start"]);
  });

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "bun run start ended by %s drains the command and leaves nothing behind",
    (signal) => expectRunnerToDrain([process.execPath, "run", "start"], signal),
  );
});

/** Types Ctrl-C in a terminal where the command runs, and lets it drain. */
async function expectOneInterrupt(checkout: Checkout, command: readonly string[]): Promise<void> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const sink = writable.getWriter();
  const output = new Reader(readable);
  const started = Bun.spawn([...command], {
    cwd: checkout.root,
    env: checkout.env,
    terminal: {
      data(_, bytes) {
        // What is written is kept until it is read, so there is nothing to wait for.
        void sink.write(bytes.slice());
      },
      exit() {
        void sink.close();
      },
    },
  });
  const pid = await output.pid();
  started.terminal?.write("\x03");
  await output.until(/SIGINT/);
  // SIGTERM is told apart, and comes after whatever the interrupt has caused.
  started.kill("SIGTERM");
  await output.until(/SIGTERM/);
  process.kill(pid, "SIGUSR2");
  await started.exited;
  const all = await output.toEnd();
  expect(all.match(/SIG\w+|drained/g)).toEqual(["SIGINT", "SIGTERM", "drained"]);
}

async function expectRunnerToDrain(
  command: readonly string[],
  signal: NodeJS.Signals,
  scripts = SCRIPTS,
): Promise<void> {
  await using checkout = await Checkout.makeReady({ "serve.ts": DRAINING }, { scripts });
  if (command[0] === "npm") await checkout.useNpm();
  const started = checkout.spawn(command, {});
  const output = new Reader(started.stdout);
  const pid = await output.pid();
  started.kill(signal);
  const [received] = await output.until(/SIG\w+\n/);
  process.kill(pid, "SIGUSR2");
  const all = await output.toEnd();
  expect(all).toEndWith(`pid ${pid}\n${received}drained\n`);
  expect(await started.exited).not.toBe(0);
}

test("a launcher started by hand outlives the shell it came from", async () => {
  await using checkout = await Checkout.makeReady({ "serve.ts": DRAINING });
  const line = `"$0" "$1" serve.ts & echo launcher $!`;
  const command = ["/bin/sh", "-c", line, process.execPath, checkout.at("tools/run.mjs")];
  const started = checkout.spawn(command, {});
  const output = new Reader(started.stdout);
  const launcher = Number((await output.until(/launcher (\d+)/))[1]);
  const pid = await output.pid();
  expect(await started.exited).toBe(0);
  process.kill(launcher, "SIGHUP");
  await output.until(/SIGHUP/);
  process.kill(pid, "SIGUSR2");
  expect(await output.toEnd()).toEndWith("SIGHUP\ndrained\n");
});
