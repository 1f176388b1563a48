import { describe, expect, test } from "bun:test";

import {
  cleanEnvironment,
  CLI_ENTRY,
  CliProcess,
  runCli,
  startBrokerProcess,
} from "../support/process.ts";

/** A socket that is open, and the code it is closed with. */
async function openSocket(url: string): Promise<{ closed: Promise<number> }> {
  const socket = new WebSocket(url, ["tickwire.v1.json"]);
  const closed = new Promise<number>((resolve) => {
    socket.addEventListener("close", ({ code }) => resolve(code));
  });
  const connected = new Promise((resolve) => {
    socket.addEventListener("message", resolve, { once: true });
  });
  await new Promise((resolve) => {
    socket.addEventListener("open", resolve);
  });
  socket.send('[1,1,1,null,"test"]');
  await connected;
  return { closed };
}

describe("listening", () => {
  test("is told by one JSON line, to programs", async () => {
    await using broker = await startBrokerProcess();
    const [line = "", ...rest] = broker.log.split("\n");
    expect(rest).toEqual([""]);
    expect(JSON.parse(line)).toMatchObject({
      level: "info",
      event: "listening",
      port: broker.port,
      url: `ws://127.0.0.1:${broker.port}`,
      httpUrl: `http://127.0.0.1:${broker.port}`,
      pid: broker.pid,
    });
    const health = await fetch(`${broker.httpUrl}/health`);
    expect(health.status).toBe(200);
  });

  test("is told whatever the log level", async () => {
    await using broker = await startBrokerProcess(["--log-level", "error"]);
    expect(broker.log).toContain('"event":"listening"');
  });

  test("is told by two sentences, to people, on standard error", async () => {
    await using command = new CliProcess(["serve", "--port", "0", "--log", "pretty"]);
    await command.untilStderr((text) => text.split("\n").length > 2);
    const [first, second] = command.stderr.split("\n");
    expect(first).toMatch(/listens on ws:\/\/127\.0\.0\.1:\d+ .*http:\/\/127\.0\.0\.1:\d+/);
    expect(second).toMatch(/No token key is set.*Ctrl-C/);
    expect(command.stdout).toBe("");
  });

  test("with a token key no warning is given", async () => {
    const env = { TICKWIRE_TOKEN_SECRET: "0123456789abcdef0123456789abcdef" };
    await using command = new CliProcess(["serve", "--port=0", "--log=pretty"], { env });
    await command.untilStderr((text) => text.split("\n").length > 2);
    expect(command.stderr).toContain("Clients need a token");
  });
});

describe("cannot start", () => {
  test("on a port that is taken", async () => {
    await using broker = await startBrokerProcess();
    const { code, stdout, stderr } = await runCli(["serve", "--port", `${broker.port}`]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toBe(
      `tickwire serve: port ${broker.port} of 127.0.0.1 is taken; end what listens there, or choose another port with --port (0 takes any free one)\n`,
    );
  });

  test("on an address that is not of this machine", async () => {
    const args = ["serve", "--host", "192.0.2.1", "--port", "0", "--allow-anonymous"];
    const { code, stderr } = await runCli(args);
    expect(code).toBe(1);
    expect(stderr).toContain("192.0.2.1 is no address of this machine");
  });

  test("with a wrong configuration, every problem of which is listed", async () => {
    const env = { TICKWIRE_PORT: "abc", TICKWIRE_HOST: "0.0.0.0", TICKWIRE_HISTORY_SIZ: "5" };
    const { code, stdout, stderr } = await runCli(["serve"], { env });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain('TICKWIRE_PORT: "abc" is not a number');
    expect(stderr).toContain("did you mean TICKWIRE_HISTORY_SIZE?");
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test("does not take the variables of its sibling commands for mistakes", async () => {
    await using broker = await startBrokerProcess([], {
      TICKWIRE_URL: "ws://127.0.0.1:1",
      TICKWIRE_TOKEN: "x",
    });
    expect(broker.port).toBeGreaterThan(0);
  });
});

describe("a signal", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal} ends it at once, with 0, when there are no clients`, async () => {
      await using broker = await startBrokerProcess(["--drain-ms", "10m"]);
      broker.kill(signal);
      expect(await broker.exited).toBe(0);
    });

    test(`${signal} drains, and a second one ends the drain`, async () => {
      await using broker = await startBrokerProcess(["--drain-ms", "10m"]);
      // The first is closed at once, the others over the window: two of three stay for minutes.
      const sockets = await Promise.all([1, 2, 3].map(() => openSocket(broker.url)));
      broker.kill(signal);
      expect(await Promise.race(sockets.map(({ closed }) => closed))).toBe(4200);
      // It is still there, and no longer accepts.
      const refused = await fetch(`${broker.httpUrl}/health`).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "ECONNREFUSED" });
      broker.kill(signal);
      expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([4200, 4200, 4200]);
      expect(await broker.exited).toBe(0);
    });
  }
});

test("serves also when nobody reads its log", async () => {
  const port = freePort();
  await using broker = Bun.spawn(
    [process.execPath, CLI_ENTRY, "serve", "--port", `${port}`, "--log", "json"],
    { env: cleanEnvironment(), stdin: "ignore", stdout: "pipe", stderr: "ignore" },
  );
  await broker.stdout.cancel();
  // It listens before it says so: the second answer comes after it has tried to.
  expect(await statusOnceUp(`http://127.0.0.1:${port}/health`)).toBe(200);
  expect(await statusOnceUp(`http://127.0.0.1:${port}/health`)).toBe(200);
  broker.kill();
  expect(await broker.exited).toBe(0);
});

/** Asks until there is an answer. */
async function statusOnceUp(url: string): Promise<number> {
  for (;;) {
    try {
      return (await fetch(url)).status;
    } catch (error) {
      if ((error as { code?: string }).code !== "ECONNREFUSED") throw error;
    }
  }
}

/** A port that was free a moment ago. */
function freePort(): number {
  const server = Bun.serve({ port: 0, fetch: () => new Response() });
  const { port } = server;
  void server.stop(true);
  return port ?? 0;
}
