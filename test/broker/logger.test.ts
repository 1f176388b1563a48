import { describe, expect, test } from "bun:test";

import { boundedWriter, createLogger } from "../../broker/logger.ts";
import type { LoggerOptions } from "../../broker/logger.ts";
import type { Logger, LogLevel } from "../../broker/ports.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ";

function logger(options: Partial<LoggerOptions> = {}): { lines: string[]; log: Logger["log"] } {
  const lines: string[] = [];
  const write = (line: string): void => {
    lines.push(line);
  };
  const made = createLogger({
    form: "json",
    level: "debug",
    clock: new VirtualClock(),
    write,
    useColor: false,
    ...options,
  });
  return { lines, log: (...entry) => made.log(...entry) };
}

/** The fields of the one line that is logged for these. */
function logged(
  fields: Record<string, unknown>,
  level: LogLevel = "info",
): Record<string, unknown> {
  const { lines, log } = logger();
  log(level, "tested", fields);
  expect(lines).toHaveLength(1);
  const {
    level: _level,
    event: _event,
    time: _time,
    ...rest
  } = JSON.parse(lines[0] as string) as Record<string, unknown>;
  return rest;
}

/** Controls of both ranges, and two of the marks that a log must not hold. */
function isUnsafe(unit: number): boolean {
  return unit < 0x20 || (unit > 0x7e && unit < 0xa0) || unit === 0x2028 || unit === 0x202e;
}

test("JSON has one object a line: level, event, time, then the fields", () => {
  const { lines, log } = logger();
  log("info", "listening", {
    port: 9300,
    url: "ws://127.0.0.1:9300",
    isAnonymous: true,
    user: null,
    left: undefined,
  });
  log("warn", "again");
  expect(lines).toEqual([
    '{"level":"info","event":"listening","time":"2027-01-15T08:00:00.000Z","port":9300,"url":"ws://127.0.0.1:9300","isAnonymous":true,"user":null}',
    '{"level":"warn","event":"again","time":"2027-01-15T08:00:00.000Z"}',
  ]);
});

test("pretty lines are for people", () => {
  const { lines, log } = logger({ form: "pretty" });
  log("info", "listening", { port: 9300, url: "ws://127.0.0.1:9300", client: 'a "b" c' });
  log("error", "failed", { reason: "no\nluck" });
  expect(lines).toEqual([
    String.raw`08:00:00.000 info  listening port=9300 url=ws://127.0.0.1:9300 client="a \"b\" c"`,
    String.raw`08:00:00.000 error failed reason="no\nluck"`,
  ]);
  const colored = logger({ form: "pretty", useColor: true });
  colored.log("warn", "hot");
  expect(colored.lines).toEqual(["08:00:00.000 \u001b[33mwarn \u001b[0m hot"]);
});

test("levels below the least are not logged, and silence is silence", () => {
  const levels = ["debug", "info", "warn", "error"] as const;
  for (const [rank, level] of levels.entries()) {
    const { lines, log } = logger({ level });
    for (const one of levels) log(one, one);
    expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual(
      levels.slice(rank),
    );
  }
  const silent = logger({ form: "silent" });
  silent.log("error", "x");
  expect(silent.lines).toEqual([]);
});

describe("fields", () => {
  test("cannot pass for level, event or time", () => {
    const { lines, log } = logger();
    log("info", "tested", { level: "error", event: "forged", time: "never" });
    expect(JSON.parse(lines[0] as string)).toMatchObject({
      level: "info",
      event: "tested",
      level_: "error",
      event_: "forged",
      time_: "never",
    });
  });

  test("are cut to what a line can bear", () => {
    expect(logged({ text: "x".repeat(256) })["text"]).toBe("x".repeat(256));
    expect(logged({ text: "x".repeat(1e6) })["text"]).toBe(`${"x".repeat(256)}...`);
    expect(
      (logged({ list: Array.from({ length: 1000 }, () => "x") })["list"] as string).length,
    ).toBe(259);
  });

  test.each([
    ["a line end", "a\nb", String.raw`a\nb`],
    ["a carriage return", "a\rb", String.raw`a\rb`],
    ["a terminal's escape", "\u001b[31mred\u001b[0m", String.raw`\u001b[31mred\u001b[0m`],
    ["the other escape", "\u009b31m", String.raw`\u009b31m`],
    ["a NUL", "a\u0000b", String.raw`a\u0000b`],
    ["a line separator", "a\u2028b", String.raw`a\u2028b`],
    ["text turned around", "a\u202eb", String.raw`a\u202eb`],
  ])("cannot bring %s into the log", (_name, text, escaped) => {
    for (const form of ["json", "pretty"] as const) {
      const { lines, log } = logger({ form });
      log("info", "tested", { text });
      expect(lines[0]).toContain(escaped);
      const units = Array.from(lines[0] as string, (char) => char.charCodeAt(0));
      expect(units.filter(isUnsafe)).toEqual([]);
    }
    expect(logged({ text })["text"]).toBe(text);
  });

  test.each([
    "token",
    "accessToken",
    "tokenSecret",
    "password",
    "Authorization",
    "cookie",
    "apiKey",
    "api_keys",
    "x-api-key",
    "privateKey",
    "clientCredentials",
    "jwt",
  ])("named %s are hidden", (name) => {
    expect(logged({ [name]: "value", other: { [name]: "value" } })).toEqual({
      [name]: "(hidden)",
      other: `{"${name}":"(hidden)"}`,
    });
  });

  test.each(["user", "key", "tokenId", "connection", "keys", "hasKeys", "tokensSeen"])(
    "named %s are shown",
    (name) => {
      expect(logged({ [name]: "value" })).toEqual({ [name]: "value" });
    },
  );

  test("that hold a token hide it, wherever it stands", () => {
    const texts = [TOKEN, `see ${TOKEN}!`, `Authorization: Bearer abcdef`, `bearer ${TOKEN}`];
    const error = new Error(`bad ${TOKEN}`, { cause: new Error(TOKEN) });
    const line = JSON.stringify(
      logged({ texts, error, a: texts[0], b: texts[1], c: texts[2], d: texts[3] }, "error"),
    );
    expect(line).toContain("(hidden)");
    expect(line).not.toContain("eyJ");
    expect(line).not.toContain("abcdef");
  });

  test("of every type are written somehow", () => {
    const cyclic: Record<string, unknown> = {};
    cyclic["self"] = cyclic;
    expect(
      logged({
        nan: Number.NaN,
        infinite: -Infinity,
        big: 10n,
        bytes: new Uint8Array(5),
        nested: { a: 1n, b: new RangeError("far") },
        cyclic,
        symbol: Symbol("s"),
        error: new TypeError("wrong", { cause: new Error("why") }),
      }),
    ).toEqual({
      nan: "NaN",
      infinite: "-Infinity",
      big: "10",
      bytes: "(5 bytes)",
      nested: '{"a":"1","b":"RangeError: far"}',
      cyclic: "(cannot be written as JSON)",
      symbol: "Symbol(s)",
      error: "TypeError: wrong (caused by Error: why)",
    });
  });

  test("an error at the level of errors brings its stack", () => {
    const { stack } = logged({ error: new Error("here") }, "error");
    expect(stack).toContain("logger.test.ts");
    expect(logged({ error: new Error("here") }, "warn")["stack"]).toBeUndefined();
  });
});

test("a reader that has stopped reading fills no memory, and learns what is missing", () => {
  const written: string[] = [];
  const stream = {
    writableLength: 0,
    write: (text: string): boolean => {
      written.push(text);
      return true;
    },
  };
  const write = boundedWriter(stream);
  write("one");
  stream.writableLength = 2 * 1024 * 1024;
  for (let i = 0; i < 1000; i++) write("lost");
  stream.writableLength = 0;
  write("two");
  write("three");
  expect(written).toEqual([
    "one\n",
    '{"level":"warn","event":"log_lines_dropped","count":1000}\n',
    "two\n",
    "three\n",
  ]);
});

test.each([
  ["json", "stdout"],
  ["pretty", "stderr"],
] as const)("%s goes to %s", async (form, stream) => {
  const script = `
    import { createLogger } from ${JSON.stringify(new URL("../../broker/logger.ts", import.meta.url).pathname)};
    createLogger({ form: ${JSON.stringify(form)}, level: "info" }).log("info", "listening", { port: 1 });
  `;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect(await child.exited).toBe(0);
  const [full, empty] = stream === "stdout" ? [stdout, stderr] : [stderr, stdout];
  expect(full).toContain("listening");
  expect(empty).toBe("");
});
