import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";

import { BrokerError } from "../../../broker/api.ts";
import { allowedUse } from "../../../broker/transforms/allowed-use.ts";
import { TempFolder } from "../../support/temp-folder.ts";

let folder: TempFolder;
let root: string;

beforeAll(async () => {
  folder = await TempFolder.create();
  root = join(folder.path, "transforms");
  await folder.write("outside.ts", "");
  await folder.write("transforms-too/a.ts", "");
  await folder.write("transforms/a.ts", "");
  await mkdir(join(root, "sub"));
  await folder.write("transforms/sub/b.ts", "");
  await symlink(join(folder.path, "outside.ts"), join(root, "link.ts"));
  await symlink(folder.path, join(root, "up"));
  await symlink(join(root, "a.ts"), join(root, "inner.ts"));
});

afterAll(() => folder[Symbol.asyncDispose]());

function refusal(use: string, from: string | null = root): string {
  try {
    return `taken: ${allowedUse(use, from, undefined)}`;
  } catch (error) {
    return (error as BrokerError).info.name;
  }
}

describe("a deploy over the server API", () => {
  test("may name files below the folder", () => {
    expect(allowedUse("./a.ts", root, undefined)).toBe(join(root, "a.ts"));
    expect(allowedUse("./sub/../sub/b.ts", root, undefined)).toBe(join(root, "sub", "b.ts"));
    expect(allowedUse(join(root, "sub", "b.ts"), root, undefined)).toBe(join(root, "sub", "b.ts"));
    expect(allowedUse("./inner.ts", root, undefined)).toBe(join(root, "a.ts"));
  });

  test.each([
    "../outside.ts",
    "./../outside.ts",
    "./sub/../../outside.ts",
    "../transforms-too/a.ts",
    "./link.ts",
    "./up/outside.ts",
    "/etc/passwd",
    "./missing.ts",
    "./",
    "..",
    "acme/../../outside.ts",
    "acme/./a.ts",
    "acme\\..\\a.ts",
    "file:///etc/passwd",
    "https://example.com/a.ts",
    "data:text/javascript,1",
    "./a.ts\0.js",
  ])("may not name %j", (use) => {
    expect(refusal(use)).toBe("not_found");
  });

  test.each(["acme", "@acme/redact", "acme/redact", "tickwire-transform-x"])(
    "may name the package %s",
    (use) => {
      expect(allowedUse(use, null, undefined)).toBe(use);
      expect(allowedUse(use, root, undefined)).toBe(use);
    },
  );

  test("without a folder may name no file but the one that is bound", () => {
    expect(refusal("./a.ts", null)).toBe("forbidden");
    expect(refusal(join(root, "a.ts"), null)).toBe("forbidden");
    const binding = { use: "./a.ts", directory: root };
    expect(allowedUse("./a.ts", null, binding)).toBe(join(root, "a.ts"));
    expect(allowedUse("acme", null, { use: "acme", directory: root })).toBe("acme");
  });
});
