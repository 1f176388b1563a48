import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

import { startTraceBackend } from "../support/otlp/trace-backend.ts";
import { startTracedBroker } from "../support/otlp/traced-broker.ts";
import { runCli, startBrokerProcess } from "../support/process.ts";
import type { BrokerProcess } from "../support/process.ts";
import { describeWithRedis } from "../support/redis/binary.ts";
import { startRedis } from "../support/redis/start-redis.ts";

// `tickwire trace` against brokers in processes of their own, one of which has a transform that works as long as it is told.

const BUSY = fileURLToPath(new URL("../jaeger/fixtures/busy.ts", import.meta.url));
const TRANSFORMS = JSON.stringify([{ use: BUSY, channels: ["work.>"], onError: "nack" }]);
const API_KEY = "0123456789abcdef";

let broker: BrokerProcess;

function trace(...args: readonly string[]) {
  return runCli(["trace", ...args], { env: { TICKWIRE_URL: broker.url } });
}

/** Rules, as JSON tells them. */
async function rules(...args: readonly string[]) {
  const { stdout } = await trace("rule", ...args, "--json");
  return JSON.parse(stdout) as { id: string; channel: string | null }[];
}

/** Whole microseconds are what Jaeger keeps. */
function withoutTimes(text: string): string {
  return text.replaceAll(/[\d.]+ m?s|= [\d.]+|▪+ */g, "");
}

beforeAll(async () => {
  broker = await startBrokerProcess(["--node", "n_one", "--transforms", TRANSFORMS]);
});

afterAll(async () => {
  await broker[Symbol.asyncDispose]();
});

describe("trace publish", () => {
  test("shows the way of one publication, and blames the slow transform", async () => {
    const { code, stdout, stderr } = await trace("publish", "work.a", "-d", "200");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^trace [0-9a-f]{32} of work\.a at \S+Z \(upstream\)\n/);
    const names = ["ingest >", "transform busy", "fanout >", "deliver > \\(tickwire-cli"];
    for (const name of names) expect(stdout).toMatch(new RegExp(`${name}.* n_one `));
    expect(stdout).toMatch(/transform\.run busy .* <- here$/m);
    expect(stdout).toContain("were spent in the transform.");
    expect(stdout).toMatch(
      /The span "transform busy" says so: tickwire\.transform\.run_ms = [2-9]\d\d/,
    );
    expect(stderr).toMatch(/^arrived here after [\d.]+ m?s\n$/);
    // It knows the node's clock, so that its own part is there.
    expect(stdout).toMatch(/^from the publisher +0 ms +[\d.]+ ms +▪+$/m);
  });

  test("can be looked at again, by its id or by a whole traceparent", async () => {
    const { stdout } = await trace("publish", "a", "--data", "x");
    const [, id = ""] = /^trace ([0-9a-f]{32})/.exec(stdout) ?? [];
    const again = await trace(id);
    expect([again.code, again.stdout]).toEqual([0, stdout]);
    expect((await trace(`00-${id.toUpperCase()}-b7ad6b7169203331-01`)).stdout).toBe(stdout);
    const json = JSON.parse((await trace(id, "--json")).stdout) as {
      name: string;
      attributes: Record<string, unknown>;
    }[];
    expect(json.map(({ name }) => name).toSorted()).toEqual(["deliver >", "fanout >", "ingest >"]);
    const deliver = json.find(({ name }) => name === "deliver >");
    expect(deliver?.attributes["tickwire.lat.client_send_ms"]).toBeGreaterThan(0);
  });

  test("that is refused shows why, and fails", async () => {
    const { code, stdout, stderr } = await trace("publish", "work.a", "-d", "soon");
    expect(code).toBe(1);
    expect(stdout).toContain("transform.run busy failed: verdict (TypeError: not a number).");
    expect(stderr).toMatch(/ refuses: .*not a number \(transform_\w+\)$/m);
  });

  test("needs somebody who may trace", async () => {
    const key = [
      "--api-keys",
      API_KEY,
      "--token-secret",
      "a secret of the tests, 32 bytes and more",
    ];
    await using other = await startBrokerProcess(key);
    const publish = (...args: readonly string[]) =>
      runCli(["trace", "publish", "a", "--url", other.url, ...args]);
    const nobody = await publish("--no-subscribe");
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining("(unauthorized)")]);
    // An API key opens no socket.
    const subscribing = await publish("--token", API_KEY);
    expect([subscribing.code, subscribing.stderr]).toEqual([1, expect.stringContaining("refuses")]);
    const allowed = await publish("--token", API_KEY, "--no-subscribe");
    expect([allowed.code, allowed.stdout]).toEqual([0, expect.stringContaining("ingest >")]);
  });
});

describeWithRedis("over two nodes", () => {
  test("every node tells its part", async () => {
    await using redis = await startRedis();
    const redisUrl = ["--redis", redis.url];
    await using a = await startBrokerProcess(["--node", "n_a", ...redisUrl]);
    await using b = await startBrokerProcess(["--node", "n_b", ...redisUrl]);
    const both = ["--url", a.httpUrl, "--url", b.httpUrl];
    const { code, stdout } = await runCli(["trace", "publish", "quotes.a", "-d", "1", ...both]);
    expect(code).toBe(0);
    for (const line of [/ingest > .* n_a /, /bus\.publish \d+ +n_a /, /bus\.receive \d+ +n_b /]) {
      expect(stdout).toMatch(line);
    }
    expect(stdout).toMatch(/deliver > \(tickwire-cli, delivered\) +n_b /);
    expect(stdout).toMatch(/^from the publisher +0 ms/m);
  });
});

test("a trace is asked for where traces are collected", async () => {
  await using backend = startTraceBackend();
  await using exporting = await startTracedBroker(backend);
  const { stdout } = await runCli(["trace", "publish", "a", "--url", exporting.url]);
  const [, id = ""] = /^trace ([0-9a-f]{32})/.exec(stdout) ?? [];
  await backend.query.until(
    (jaeger) => jaeger.trace(id),
    (spans) => spans.length === 3,
  );
  const jaeger = ["--jaeger", process.env["JAEGER_URL"] ?? backend.receiver?.url ?? ""];
  const found = await runCli(["trace", id, ...jaeger]);
  expect(withoutTimes(found.stdout)).toBe(withoutTimes(stdout));
  const none = await runCli(["trace", "f".repeat(32), ...jaeger]);
  expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("Jaeger has no trace")]);
});

describe("trace rule", () => {
  test("has publications traced, until it is removed", async () => {
    expect(await rules("list")).toEqual([]);
    const [added] = await rules("add", "--channel", "market.>", "--for", "10m");
    expect(added?.channel).toBe("market.>");
    const { stdout } = await trace("rule", "list");
    expect(stdout).toMatch(/^id +channel +user +connection +left\n\S+ +market\.> +9 min/);
    await runCli(["pub", "market.eur", "1.07"], { env: { TICKWIRE_URL: broker.url } });
    const traces = (await (await fetch(`${broker.httpUrl}/v1/traces?limit=1`)).json()) as {
      parts: { reason: string; publication: { channel: string } }[];
    };
    expect(traces.parts[0]).toMatchObject({
      reason: "debug",
      publication: { channel: "market.eur" },
    });
    expect(await rules("remove", added?.id ?? "")).toEqual([]);
    const again = await trace("rule", "remove", added?.id ?? "");
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("(not_found)")]);
  });
});

describe("wrong usage", () => {
  test.each<[string[], string]>([
    [[], "needs a trace id, or one of publish, rule"],
    [["xyz"], '"xyz" is no trace id: give 32 hex digits'],
    [["f".repeat(32), "more"], "takes one trace id"],
    [["f".repeat(32), "--jaeger", "nowhere"], "is no URL"],
    [["publish"], "needs a channel"],
    [["publish", "a.>"], "a.> is a pattern"],
    [["publish", "a", "x"], "give the payload by --data"],
    [["rule"], "rule needs one of add, list, remove"],
    [["rule", "ad"], "did you mean add?"],
    [["rule", "add"], "needs --channel, --user or --connection"],
    [["rule", "add", "-c", "a", "--for", "1h"], "at most 15m"],
    [["rule", "remove"], "needs one id"],
  ])("%j exits with 2", async (args, sentence) => {
    const { code, stdout, stderr } = await runCli(["trace", ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(sentence);
  });
});

test("a trace that nobody has is told so, and a broker that is not there", async () => {
  const none = await trace("f".repeat(32));
  expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("no node that was asked")]);
  const nobody = await runCli(["trace", "f".repeat(32), "--url", "http://127.0.0.1:1"]);
  expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining("cannot reach")]);
});
