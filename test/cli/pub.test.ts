import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { startBroker } from "../support/broker.ts";
import type { TestBroker } from "../support/broker.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { CliProcess, runCli } from "../support/process.ts";
import { TempFolder } from "../support/temp-folder.ts";

let broker: TestBroker;
let channels = 0;

beforeAll(async () => {
  broker = await startBroker({ historySize: 5000 });
});
afterAll(() => broker[Symbol.asyncDispose]());

/** A channel no other test uses. */
function newChannel(): string {
  return `pub.test${++channels}`;
}

/** What was published on a channel, as text. */
async function published(channel: string, from = broker): Promise<string[]> {
  const texts: string[] = [];
  let since: { epoch: string; offset: number } | null = null;
  for (;;) {
    const query = { limit: 1000, since };
    const { epoch, publications } = await from.broker.api.history(channel, query);
    const last = publications.at(-1);
    if (last === undefined) return texts;
    texts.push(...publications.map(({ payload }) => Buffer.from(payload).toString()));
    // Without a position history gives the newest: all of what small tests publish.
    if (since === null && publications.length < 1000) return texts;
    since = { epoch, offset: last.offset };
  }
}

function pub(args: readonly string[], input?: string | Uint8Array): ReturnType<typeof runCli> {
  const env = { TICKWIRE_URL: broker.url };
  return runCli(
    ["pub", ...args],
    input === undefined ? { env } : { env, input: Buffer.from(input) },
  );
}

describe("what is published", () => {
  test("an argument", async () => {
    const channel = newChannel();
    const { code, stdout, stderr } = await pub([channel, "gr\u00fc\u00dfe \u{1f41f}"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(stderr).toMatch(/^published 1 publication at offset 1, 12 B, in .*\n$/);
    expect(await published(channel)).toEqual(["gr\u00fc\u00dfe \u{1f41f}"]);
  });

  test("an empty argument", async () => {
    const channel = newChannel();
    expect((await pub([channel, ""])).code).toBe(0);
    expect(await published(channel)).toEqual([""]);
  });

  test("an argument that looks like an option, after --", async () => {
    const channel = newChannel();
    expect((await pub([channel, "--", "-5"])).code).toBe(0);
    expect(await published(channel)).toEqual(["-5"]);
  });

  test("each line of standard input, empty ones and a last one without a line end too", async () => {
    const channel = newChannel();
    const { code, stderr } = await pub([channel], "a\r\n\n  b\nc");
    expect(code).toBe(0);
    expect(stderr).toContain("published 4 publications, 6 B");
    expect(await published(channel)).toEqual(["a\r", "", "  b", "c"]);
  });

  test("standard input by the name -", async () => {
    const channel = newChannel();
    expect((await pub([channel, "--file", "-"], "one\ntwo\n")).code).toBe(0);
    expect(await published(channel)).toEqual(["one", "two"]);
  });

  test("lines without the field they were to be paced by, with a note", async () => {
    const channel = newChannel();
    const lines = '{"ts":1}\n{"ts":2}\n';
    const { code, stderr } = await pub([channel, "--pace-by", "tss"], lines);
    expect(code).toBe(0);
    expect(stderr).toContain("note: no line has a number in the field tss; nothing was paced\n");
    expect((await pub([channel, "--pace-by", "ts"], lines)).stderr).not.toContain("note:");
    expect((await published(channel)).length).toBe(4);
  });

  test("nothing of /dev/null", async () => {
    const { code, stderr } = await runCli(["pub", newChannel(), "--file", "/dev/null"], {
      env: { TICKWIRE_URL: broker.url },
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^published 0 /) });
  });

  test("nothing of an empty input", async () => {
    const channel = newChannel();
    const { code, stderr } = await pub([channel], "");
    expect(code).toBe(0);
    expect(stderr).toContain("published 0 publications");
  });

  test("each line of a file, without a word when quiet", async () => {
    await using folder = await TempFolder.create();
    const lines = Array.from({ length: 2500 }, (_, i) => `line ${i}`);
    const file = await folder.write("lines.txt", `${lines.join("\n")}\n`);
    const channel = newChannel();
    const { code, stderr } = await pub([channel, "--file", file, "--quiet"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const all = await published(channel);
    expect(all.slice(-1000)).toEqual(lines.slice(-1000));
    const [summary] = await broker.broker.api.channels({ pattern: channel, limit: 1, after: null });
    expect(summary?.offset).toBe(2500);
  });

  test("a line as soon as it is typed", async () => {
    const channel = newChannel();
    const env = { TICKWIRE_URL: broker.url };
    await using listener = new CliProcess(["sub", channel, "--raw"], { env });
    await listener.untilStderr((text) => text.includes("subscribed"));
    await using typist = new CliProcess(["pub", channel], { env, input: "open" });
    typist.write("one\ntw");
    await listener.untilStdout((text) => text === "one\n");
    typist.write("o\n");
    await listener.untilStdout((text) => text === "one\ntwo\n");
    typist.endInput();
    expect(await typist.exited).toBe(0);
  });

  test("without acknowledgements too", async () => {
    const channel = newChannel();
    const lines = Array.from({ length: 900 }, (_, i) => `${i}`);
    const { code, stderr } = await pub([channel, "--no-ack"], lines.join("\n"));
    expect(code).toBe(0);
    expect(stderr).toContain("sent 900 publications");
    expect(await published(channel)).toEqual(lines);
  });

  test("paced lines, in order and to the last", async () => {
    const channel = newChannel();
    const lines = Array.from({ length: 20 }, (_, i) => `{"ts":${1000 + i * 1000}}`);
    const args = [channel, "--pace-by", "ts", "--speed", "1000"];
    expect((await pub(args, lines.join("\n"))).code).toBe(0);
    expect(await published(channel)).toEqual(lines);
    expect((await pub([channel, "--rate", "5000/s"], lines.join("\n"))).code).toBe(0);
    expect(await published(channel)).toEqual([...lines, ...lines]);
  });
});

describe("what cannot be published", () => {
  test("without a broker", async () => {
    const args = ["pub", "a", "x", "--url", "ws://127.0.0.1:1"];
    const { code, stderr } = await runCli(args);
    expect(code).toBe(1);
    expect(stderr).toBe(
      "tickwire pub: cannot reach a broker at ws://127.0.0.1:1: nothing listens there. `tickwire serve` starts one; --wait 30s keeps trying.\n",
    );
  });

  test("to a server that is no broker", async () => {
    using server = Bun.serve({ port: 0, fetch: () => new Response("", { status: 404 }) });
    const { code, stderr } = await pub(["a", "x", "--url", `127.0.0.1:${server.port}`]);
    expect(code).toBe(1);
    expect(stderr).toContain("it answered with HTTP status 404");
  });

  test("from a file that is not there, or is a folder", async () => {
    const missing = await pub(["a", "--file", "no-such-file"]);
    expect(missing).toMatchObject({
      code: 1,
      stderr: "tickwire pub: there is no file no-such-file\n",
    });
    await using folder = await TempFolder.create();
    const { code, stderr } = await pub(["a", "--file", folder.path]);
    expect(code).toBe(1);
    expect(stderr).toContain("is a folder");
  });

  test("a line that is too large, which is named; nothing after it leaves", async () => {
    await using folder = await TempFolder.create();
    const file = join(folder.path, "feed");
    await Bun.write(file, `one\ntwo\n${"x".repeat(70_000)}\nfour\n`);
    const channel = newChannel();
    const { code, stderr } = await pub([channel, "--file", file]);
    expect(code).toBe(1);
    expect(stderr).toContain("published 2 publications");
    expect(stderr).toContain(
      `line 3 of ${file}: 70000 bytes; the broker takes 64512 in one payload (too_large)`,
    );
    expect(await published(channel)).toEqual(["one", "two"]);
  });

  test("an input without line ends, of which no more is read than a broker could take", async () => {
    const { code, stderr } = await pub([newChannel()], new Uint8Array(17 * 1024 * 1024).fill(97));
    expect(code).toBe(1);
    expect(stderr).toContain("line 1 of standard input is longer than 16777216 bytes");
  });
});

/** A publisher behind a proxy and a subscriber before it. */
class Pair implements AsyncDisposable {
  readonly publisher: CliProcess;
  readonly listener: CliProcess;

  private constructor(publisher: CliProcess, listener: CliProcess) {
    this.publisher = publisher;
    this.listener = listener;
  }

  /** Starts both and sees one line through. */
  static async begin(
    proxy: FaultProxy,
    channel: string,
    args: readonly string[] = [],
  ): Promise<Pair> {
    const listener = new CliProcess(["sub", channel, "--raw"], {
      env: { TICKWIRE_URL: broker.url },
    });
    await listener.untilStderr((text) => text.includes("subscribed"));
    const publisher = new CliProcess(["pub", channel, ...args], {
      env: { TICKWIRE_URL: `ws://127.0.0.1:${proxy.port}` },
      input: "open",
    });
    publisher.write("first\n");
    await listener.untilStdout((text) => text === "first\n");
    return new Pair(publisher, listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.publisher[Symbol.asyncDispose]();
    await this.listener[Symbol.asyncDispose]();
  }
}

describe("over a network that breaks", () => {
  test("what was not acknowledged is published once", async () => {
    await using proxy = await FaultProxy.start(broker.port);
    const channel = newChannel();
    await using pair = await Pair.begin(proxy, channel);
    const { publisher, listener } = pair;
    // The broker takes the line, and its answer is lost.
    proxy.dropReplies();
    publisher.write("second\n");
    await listener.untilStdout((text) => text === "first\nsecond\n");
    proxy.resetAll();
    proxy.heal();
    publisher.endInput();
    expect(await publisher.exited).toBe(0);
    expect(publisher.stderr).toMatch(
      /connection lost: .*\nconnected again\npublished 2 publications/,
    );
    expect(await published(channel)).toEqual(["first", "second"]);
  });

  test("it gives up in the end", async () => {
    await using proxy = await FaultProxy.start(broker.port);
    await using pair = await Pair.begin(proxy, newChannel(), ["--give-up", "200ms"]);
    const { publisher } = pair;
    proxy.reset();
    publisher.write("second\n");
    publisher.endInput();
    expect(await publisher.exited).toBe(1);
    // The first line is seen delivered; whether its acknowledgement came before the reset is not.
    expect(publisher.stderr).toMatch(/line [12] of standard input: /);
  });
});

describe("against a rate limit", () => {
  test("nothing is lost or doubled, and with a window of one the order is kept", async () => {
    await using limited = await startBroker({ publishRate: 200, historySize: 1000 });
    const env = { TICKWIRE_URL: limited.url };
    const lines = Array.from({ length: 600 }, (_, i) => `${i}`);
    const input = Buffer.from(lines.join("\n"));
    const wide = await runCli(["pub", "rate.wide"], { env, input });
    expect(wide.code).toBe(0);
    const all = await published("rate.wide", limited);
    expect(all.toSorted((a, b) => Number(a) - Number(b))).toEqual(lines);
    const narrow = await runCli(["pub", "rate.narrow", "--window", "1"], { env, input });
    expect(narrow.code).toBe(0);
    expect(await published("rate.narrow", limited)).toEqual(lines);
  });
});

describe("Ctrl-C", () => {
  test("ends it with 130, after what is under way has been acknowledged", async () => {
    const channel = newChannel();
    const env = { TICKWIRE_URL: broker.url };
    await using command = new CliProcess(["pub", channel], { env, input: "open" });
    command.write("one\n");
    await using listener = new CliProcess(["sub", channel, "--last", "1", "--count", "1"], { env });
    expect(await listener.exited).toBe(0);
    command.kill("SIGINT");
    expect(await command.exited).toBe(130);
    expect(command.stderr).toContain("published 1 publication at offset 1");
  });

  test("ends a pause of the feed", async () => {
    const channel = newChannel();
    const env = { TICKWIRE_URL: broker.url };
    const input = Buffer.from('{"ts":1}\n{"ts":99999999}\n');
    await using listener = new CliProcess(["sub", channel, "--count", "1"], { env });
    await listener.untilStderr((text) => text.includes("subscribed"));
    await using command = new CliProcess(["pub", channel, "--pace-by", "ts"], { env, input });
    expect(await listener.exited).toBe(0);
    command.kill("SIGTERM");
    expect(await command.exited).toBe(143);
    expect(command.stderr).toContain("published 1 publication");
  });
});
