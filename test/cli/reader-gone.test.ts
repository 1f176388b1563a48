import { afterAll, beforeAll, expect, test } from "bun:test";

import { startBroker } from "../support/broker.ts";
import type { TestBroker } from "../support/broker.ts";
import { cleanEnvironment, CLI_ENTRY } from "../support/process.ts";

/** More than a pipe holds, many times. */
const PAYLOAD = Buffer.alloc(64_000, "x");
const COUNT = 64;

let broker: TestBroker;

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker[Symbol.asyncDispose]());

/**
 * Runs `tickwire <args> | <reader>` in a shell, whose input is descriptor 3 of the reader. The command's exit
 * code ends its standard error.
 */
function pipedCommand(args: string, reader: string): Bun.Subprocess<"pipe", "pipe", "pipe"> {
  const command = `"${process.execPath}" --no-install "${CLI_ENTRY}" ${args} < /dev/null`;
  return Bun.spawn(["sh", "-c", `exec 3<&0; { ${command}; echo "code $?" >&2; } | ${reader}`], {
    env: cleanEnvironment({ TICKWIRE_URL: broker.url }),
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
}

test("sub ends when the reader of its output has gone, without another publication", async () => {
  await broker.broker.api.publish("feed.a", Buffer.from("one"));
  await using shell = pipedCommand("sub feed.a --last 1 --raw -q", "head -n 1");
  expect(await new Response(shell.stdout).text()).toBe("one\n");
  expect(await new Response(shell.stderr).text()).toBe("code 0\n");
});

test("slow --watch ends when the reader of its output has gone", async () => {
  await using shell = pipedCommand("slow --watch", "head -n 1");
  expect(await new Response(shell.stdout).text()).toBe(
    "nobody was slow in the last five minutes\n",
  );
  expect(await new Response(shell.stderr).text()).toBe("code 0\n");
});

test("sub does not take a reader that waits for one that has gone", async () => {
  for (let i = 0; i < COUNT; i++) await broker.broker.api.publish("feed.b", PAYLOAD);
  await using shell = pipedCommand(
    `sub feed.b --last ${COUNT} -n ${COUNT} --raw`,
    "{ head -c 1 <&3 > /dev/null; wc -c; }",
  );
  const errors = shell.stderr.getReader();
  const decoder = new TextDecoder();
  let told = "";
  while (!told.includes("subscribed to feed.b")) {
    const { value, done } = await errors.read();
    if (done) break;
    told += decoder.decode(value, { stream: true });
  }
  void shell.stdin.write("go");
  void shell.stdin.end();
  expect(Number(await new Response(shell.stdout).text())).toBe(COUNT * (PAYLOAD.length + 1));
});
