import { describe, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { ConfigError } from "../../../broker/config/config-error.ts";
import { redact } from "../../../broker/config/config-text.ts";
import { buildConfig } from "../../../broker/config/config.ts";
import type { ConfigInput } from "../../../broker/config/config.ts";
import { resolveConfig } from "../../../broker/config/resolve.ts";
import type { TransformBinding } from "../../../broker/config/transforms.ts";
import { TempFolder } from "../../support/temp-folder.ts";

const GOOD = { use: "./redact.ts", channels: ["orders.>"], onError: "nack" } as const;

function parse(transforms: unknown): readonly TransformBinding[] {
  return buildConfig({ transforms } as ConfigInput).transforms;
}

/** The one problem a list of transforms has. */
function problem(transforms: unknown): string {
  try {
    parse(transforms);
  } catch (error) {
    const [first, ...more] = (error as ConfigError).problems;
    expect(more).toEqual([]);
    expect(first?.where).toBe("transforms");
    return first?.message ?? "";
  }
  throw new Error("it was taken");
}

test("a binding is completed with the defaults, and its failure policy has none", () => {
  expect(parse([GOOD])).toEqual([
    {
      id: "redact",
      use: "./redact.ts",
      directory: process.cwd(),
      channels: ["orders.>"],
      config: null,
      onError: "nack",
      emit: [],
      workers: 1,
      isolation: "thread",
      shed: "reject",
    },
  ]);
  expect(buildConfig().transforms).toEqual([]);
  expect(problem([{ ...GOOD, onError: undefined }])).toStartWith(
    "entry 1 (./redact.ts): needs onError, what becomes of a publication it fails for:",
  );
});

test("JSON text means the same as a list", () => {
  const full = {
    ...GOOD,
    id: "first",
    directory: "/srv",
    config: { fields: ["a"], deep: { list: [1, null, true] } },
    onError: "dead-letter:dead.orders",
    emit: ["alerts.*"],
    workers: 16,
    isolation: "process",
    shed: "drop-oldest",
  };
  expect(parse(JSON.stringify([full]))).toEqual(parse([full]));
  expect(parse([full])).toEqual([full as unknown as TransformBinding]);
});

test.each([
  ["./redact.ts", "redact"],
  ["/srv/transforms/order_Book.v2.mjs", "order-book-v2"],
  ["./redact/index.ts", "redact"],
  ["../redact/src/transform.ts", "src"],
  ["@acme/tickwire-transform-redact", "tickwire-transform-redact"],
  ["acme", "acme"],
])("the id of %s is %s", (use, id) => {
  expect(parse([{ ...GOOD, use }])[0]?.id).toBe(id);
});

describe("what is wrong is said with what to do about it", () => {
  test.each<[string, unknown, string]>([
    ["no list", {}, "is not a list of transforms"],
    ["no JSON", "[{", "is not JSON"],
    ["too many", Array.from({ length: 65 }, () => GOOD), "has 65 entries; 64 at most"],
    ["no object", ["./a.ts"], "entry 1 is not an object with use, channels and onError"],
    ["no use", [{ ...GOOD, use: " " }], "entry 1 needs use"],
    [
      "an unknown key",
      [{ ...GOOD, onerror: "drop" }],
      "onerror is not known; did you mean onError?",
    ],
    ["no channels", [{ ...GOOD, channels: [] }], 'needs channels, such as ["orders.>"]'],
    [
      "a bad pattern",
      [{ ...GOOD, channels: ["a.>.b"] }],
      'channels: "a.>.b" is not a channel name',
    ],
    [
      "a bad emission",
      [{ ...GOOD, emit: ["a b"] }],
      'emit: "a b" is not a channel name or pattern',
    ],
    [
      "a bad policy",
      [{ ...GOOD, onError: "retry" }],
      "give drop, pass, nack or dead-letter:<channel>",
    ],
    [
      "a dead-letter pattern",
      [{ ...GOOD, onError: "dead-letter:a.*" }],
      '"a.*" is not a channel name',
    ],
    [
      "a dead-letter channel of its own",
      [{ ...GOOD, onError: "dead-letter:orders.dead" }],
      'the dead-letter channel orders.dead is one of its own channels ("orders.>"); choose one',
    ],
    ["no workers", [{ ...GOOD, workers: 0 }], "workers is 0; give a whole number from 1 to 16"],
    ["too many workers", [{ ...GOOD, workers: 17 }], "give a whole number from 1 to 16"],
    ["an isolation", [{ ...GOOD, isolation: "wasm" }], "give one of thread, process"],
    ["a shed policy", [{ ...GOOD, shed: "block" }], "give one of reject, bypass, drop-oldest"],
    ["an id", [{ ...GOOD, id: "A b" }], '"A b" is no id'],
    ["a path that tells no id", [{ ...GOOD, use: "../.." }], "needs an id"],
    ["a function", [{ ...GOOD, config: { f: () => 1 } }], "config is not plain data"],
    ["a map", [{ ...GOOD, config: new Map() }], "config is not plain data"],
    ["a bigint", [{ ...GOOD, config: 1n }], "config is not plain data"],
    [
      "two of one id",
      [GOOD, GOOD],
      "two transforms have the id redact; give them ids of their own",
    ],
  ])("%s", (_name, transforms, message) => {
    expect(problem(transforms)).toContain(message);
  });
});

test("what a transform is configured with is not shown", () => {
  const { transforms } = redact(buildConfig({ transforms: [{ ...GOOD, config: { key: "k3y" } }] }));
  expect(transforms).toMatchObject([{ id: "redact", config: "(hidden)" }]);
  expect(redact(buildConfig({ transforms: [GOOD] })).transforms).toMatchObject([{ config: null }]);
});

test("a config file's paths are looked up from its folder, others from the working directory", async () => {
  await using folder = await TempFolder.create();
  await mkdir(join(folder.path, "conf", "transforms"), { recursive: true });
  const content = { transforms: [GOOD], transformsFolder: "transforms" };
  const file = await folder.write("conf/broker.json", JSON.stringify(content));
  const request = { env: {}, cwd: folder.path };
  const fromFile = await resolveConfig({ ...request, argv: ["--config", file] });
  expect(fromFile.config.transforms).toMatchObject([{ directory: join(folder.path, "conf") }]);
  expect(fromFile.config.transformsFolder).toBe(join(folder.path, "conf", "transforms"));
  const own = { ...GOOD, directory: "/srv" };
  const given = await folder.write("own.json", JSON.stringify({ transforms: [own] }));
  const withOwn = await resolveConfig({ ...request, argv: ["--config", given] });
  expect(withOwn.config.transforms).toMatchObject([{ directory: "/srv" }]);
  const fromFlag = await resolveConfig({
    ...request,
    argv: ["--transforms", JSON.stringify([GOOD])],
  });
  expect(fromFlag.config.transforms).toMatchObject([{ directory: process.cwd() }]);
});

test("the folder for the server API must be there", () => {
  expect(() => buildConfig({ transformsFolder: "no/such/folder" })).toThrow(
    'transformsFolder: "no/such/folder" is no folder',
  );
});
