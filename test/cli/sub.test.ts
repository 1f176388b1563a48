import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { startBroker } from "../support/broker.ts";
import type { TestBroker } from "../support/broker.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import {
  cleanEnvironment,
  CLI_ENTRY,
  CliProcess,
  runCli,
  startBrokerProcess,
} from "../support/process.ts";

let broker: TestBroker;
let channels = 0;

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker[Symbol.asyncDispose]());

/** A channel no other test uses. */
function newChannel(): string {
  return `sub.test${++channels}`;
}

async function publish(channel: string, ...payloads: (string | Uint8Array)[]): Promise<void> {
  for (const payload of payloads) await broker.broker.api.publish(channel, Buffer.from(payload));
}

/** Starts `tickwire sub` and waits until it is subscribed to the last of its names. */
async function subscribe(names: readonly string[], ...args: string[]): Promise<CliProcess> {
  const command = new CliProcess(["sub", ...names, ...args], {
    env: { TICKWIRE_URL: broker.url },
  });
  await command.untilStderr((text) =>
    names.every((name) => text.includes(`subscribed to ${name}`)),
  );
  return command;
}

describe("forms of output", () => {
  test("raw: the bytes and a line end", async () => {
    const channel = newChannel();
    await using command = await subscribe([channel], "--raw", "--count", "4");
    await publish(channel, "text", "", Buffer.of(0, 0xff, 0x0d), "{}\r");
    expect(await command.exited).toBe(0);
    expect(Buffer.from(command.stdoutBytes)).toEqual(
      Buffer.concat([Buffer.from("text\n\n"), Buffer.of(0, 0xff, 0x0d), Buffer.from("\n{}\r\n")]),
    );
  });

  test("json: an object a line", async () => {
    const channel = newChannel();
    await using command = await subscribe([channel], "--json", "--count", "3");
    await publish(channel, "text\n", Buffer.of(0xff));
    await broker.broker.api.publish(channel, Buffer.from("x"), {
      id: "i",
      headers: new Map([["kind", "test"]]),
    });
    expect(await command.exited).toBe(0);
    const lines = command.stdout
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    const { epoch } = await broker.broker.api.history(channel, { limit: 0, since: null });
    expect(lines).toEqual([
      { channel, offset: 1, epoch, payload: "text\n" },
      { channel, offset: 2, epoch, payload: { b64: "/w==" } },
      {
        channel,
        offset: 3,
        epoch,
        payload: "x",
        meta: { id: "i", timeMs: expect.any(Number), headers: { kind: "test" } },
      },
    ]);
  });

  test("pretty: a line for people, without control characters", async () => {
    const channel = newChannel();
    await using command = await subscribe([channel], "--count", "5");
    const msgpack = Buffer.of(0x82, 0xa1, 0x61, 0x01, 0xa1, 0x62, 0xc0);
    await publish(channel, '{"a":1}\r', "\u001b[2Jtext\nmore", msgpack, Buffer.of(0xff, 0x00), "");
    expect(await command.exited).toBe(0);
    const shown = command.stdout.split("\n").map((line) => line.replace(/^[\d:.]+ +/, ""));
    expect(shown).toEqual([
      `${channel}  #1  {"a":1}`,
      `${channel}  #2  \\u001b[2Jtext\\nmore`,
      `${channel}  #3  {"a":1,"b":null}`,
      `${channel}  #4  ff00 (2 bytes)`,
      `${channel}  #5  (empty)`,
      "",
    ]);
  });
});

describe("what is subscribed", () => {
  test("several names, each publication once although two of them match", async () => {
    const channel = newChannel();
    await using command = await subscribe([channel, "sub.>"], "--raw", "--count", "3");
    await publish(channel, "one");
    await publish("sub.other", "two");
    await publish(channel, "three");
    expect(await command.exited).toBe(0);
    // Only publications of the same channel have an order.
    expect(command.stdout.split("\n").toSorted()).toEqual(["", "one", "three", "two"]);
    expect(command.stdout.indexOf("one")).toBeLessThan(command.stdout.indexOf("three"));
    expect(command.stderr).toContain("subscribed to sub.> (pattern)");
  });

  test("the newest of history, and then what comes", async () => {
    const channel = newChannel();
    await publish(channel, "one", "two", "three");
    await using command = await subscribe([channel], "--raw", "--last", "2", "--count", "3");
    await publish(channel, "four");
    expect(await command.exited).toBe(0);
    expect(command.stdout).toBe("two\nthree\nfour\n");
    expect(command.stderr).toContain("(offset 3, 2 publications from history)");
  });

  test("what came after a position", async () => {
    const channel = newChannel();
    await publish(channel, "one", "two", "three");
    const { epoch } = await broker.broker.api.history(channel, { limit: 0, since: null });
    await using known = await subscribe(
      [channel],
      "--raw",
      "--since",
      `1@${epoch}`,
      "--count",
      "2",
    );
    expect(await known.exited).toBe(0);
    expect(known.stdout).toBe("two\nthree\n");
  });

  test("a position of another stream is not recovered, and with --strict that is a failure", async () => {
    const channel = newChannel();
    await publish(channel, "one");
    await using lenient = await subscribe([channel], "--since", "1@elsewhere");
    await lenient.untilStderr((text) => text.includes(`${channel}: NOT RECOVERED`));
    await using strict = new CliProcess(["sub", channel, "--since", "1@elsewhere", "--strict"], {
      env: { TICKWIRE_URL: broker.url },
    });
    expect(await strict.exited).toBe(1);
    expect(strict.stderr).toContain("tickwire sub: ended by --strict");
  });
});

describe("the end", () => {
  test("by count, exactly, of a burst", async () => {
    const channel = newChannel();
    await using command = await subscribe([channel], "--raw", "-n", "100");
    const lines = Array.from({ length: 150 }, (_, i) => `${i}`);
    await Promise.all(lines.map((line) => publish(channel, line)));
    expect(await command.exited).toBe(0);
    expect(command.stdout).toBe(`${lines.slice(0, 100).join("\n")}\n`);
  });

  test("by time, which is a failure when the count is not reached", async () => {
    const env = { TICKWIRE_URL: broker.url };
    const args = ["sub", newChannel(), "--timeout", "50ms"];
    expect((await runCli(args, { env })).code).toBe(0);
    const { code, stderr } = await runCli([...args, "--count", "3"], { env });
    expect(code).toBe(1);
    expect(stderr).toContain("got 0 of 3 publications in 50ms");
  });

  test("by Ctrl-C, which is how it is meant to end without a count", async () => {
    const channel = newChannel();
    await using open = await subscribe([channel], "--raw");
    await using counted = await subscribe([channel], "--raw", "--count", "2");
    await publish(channel, "one");
    await open.untilStdout((text) => text === "one\n");
    await counted.untilStdout((text) => text === "one\n");
    open.kill("SIGINT");
    counted.kill("SIGINT");
    expect(await Promise.all([open.exited, counted.exited])).toEqual([0, 130]);
    expect(open.stdout).toBe("one\n");
  });

  test("by a reader that has had enough, without a word", async () => {
    const channel = newChannel();
    const command = Bun.spawn([process.execPath, CLI_ENTRY, "sub", channel, "--raw", "--quiet"], {
      env: cleanEnvironment({ TICKWIRE_URL: broker.url }),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    await command.stdout.cancel();
    const errors = new Response(command.stderr).text();
    while (command.exitCode === null) {
      await publish(channel, "x");
      // Lets the exit be noticed.
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect(await command.exited).toBe(0);
    expect(await errors).toBe("");
  });
});

describe("over a network that breaks", () => {
  test("it says that it lost the connection, came back, and recovered", async () => {
    await using proxy = await FaultProxy.start(broker.port);
    const channel = newChannel();
    await using command = new CliProcess(["sub", channel, "--raw", "--strict"], {
      env: { TICKWIRE_URL: `ws://127.0.0.1:${proxy.port}` },
    });
    await command.untilStderr((text) => text.includes("subscribed"));
    await publish(channel, "one");
    await command.untilStdout((text) => text === "one\n");
    proxy.reset();
    await command.untilStderr((text) => text.includes("connection lost: "));
    await publish(channel, "two", "three");
    proxy.heal();
    await command.untilStdout((text) => text === "one\ntwo\nthree\n");
    const told = `${channel}: recovered, 2 publications from history`;
    await command.untilStderr((text) => text.includes(told));
    expect(command.stderr).toContain("connected again");
    command.kill("SIGINT");
    expect(await command.exited).toBe(0);
  });

  test("it says aloud when the broker has lost its memory, and with --strict fails", async () => {
    await using first = await startBrokerProcess();
    const { port, url } = first;
    const env = { TICKWIRE_URL: url };
    const start = async (...args: string[]): Promise<CliProcess> => {
      const command = new CliProcess(["sub", "memory", ...args], { env });
      await command.untilStderr((text) => text.includes("subscribed"));
      return command;
    };
    await using lenient = await start();
    await using strict = await start("--strict");
    expect((await runCli(["pub", "memory", "x"], { env })).code).toBe(0);
    await Promise.all([lenient, strict].map((item) => item.untilStdout((text) => text !== "")));
    first.kill("SIGKILL");
    await first.exited;
    await using second = await startBrokerProcess(["--port", `${port}`]);
    expect(second.port).toBe(port);
    await lenient.untilStderr((text) => text.includes("memory: NOT RECOVERED"));
    expect(await strict.exited).toBe(1);
  });
});

describe("what is refused", () => {
  test("without a broker", async () => {
    const { code, stdout, stderr } = await runCli(["sub", "a", "--url", "127.0.0.1:1"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("nothing listens there");
  });

  test("it waits for a broker when told to", async () => {
    await using proxy = await FaultProxy.start(broker.port);
    proxy.reset();
    const args = ["sub", "a", "--wait", "20s", "--url", `ws://127.0.0.1:${proxy.port}`];
    await using command = new CliProcess(args);
    await proxy.until(({ acceptedCount }) => acceptedCount > 0);
    proxy.heal();
    await command.untilStderr((text) => text.includes("subscribed to a"));
  });

  test("Ctrl-C ends the wait for a broker", async () => {
    await using proxy = await FaultProxy.start(broker.port);
    proxy.reset();
    const args = ["sub", "a", "--wait", "1h", "--url", `ws://127.0.0.1:${proxy.port}`];
    await using command = new CliProcess(args);
    await proxy.until(({ acceptedCount }) => acceptedCount > 0);
    command.kill("SIGINT");
    expect(await command.exited).toBe(130);
  });

  test("a token that allows nothing", async () => {
    const tokenSecret = "0123456789abcdef0123456789abcdef";
    await using locked = await startBroker({ tokenSecret });
    const env = { TICKWIRE_URL: locked.url, TICKWIRE_TOKEN_SECRET: tokenSecret };
    const made = await runCli(["token", "--sub", "ana"], { env });
    const token = made.stdout.trim();
    const { code, stderr } = await runCli(["sub", "a"], { env: { ...env, TICKWIRE_TOKEN: token } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tickwire sub: a: .* \(forbidden\)$/m);
    const without = await runCli(["sub", "a"], { env });
    expect(without.code).toBe(1);
    expect(without.stderr).toContain("(unauthorized)");
  });
});
