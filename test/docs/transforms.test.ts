import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { DocumentSession } from "../support/document-session.ts";
import { TempFolder } from "../support/temp-folder.ts";

// Aim: who follows docs/transforms.md gets where it says. Method: a session runs all of its commands, in order, in an
// empty folder.

const DOCUMENT = fileURLToPath(new URL("../../docs/transforms.md", import.meta.url));

test("every command of docs/transforms.md works", async () => {
  await using folder = await TempFolder.create();
  await using session = new DocumentSession(folder.path);
  await session.follow(readFileSync(DOCUMENT, "utf8"));
  await session.untilReceived((text) => text.includes("no JSON"));
  const lines = session.received.split("\n").filter((line) => line !== "");
  expect(lines[0]).toContain('{"price": 12}');
  // The second is dropped; the third arrives where failures go.
  expect(lines[1]).toContain("failed.quotes");
  expect(session.commands).toContain("tickwire transform rollback price-floor");
});

test.each([
  ["a command that fails", "```sh\ntickwire transform crate x\n```", "did you mean create?"],
  [
    "a file that is wrong",
    "```ts\n// tickwire.config.ts\nexport default { prot: 1 };\n```\n```sh\ntickwire check\n```",
    "did you mean port?",
  ],
])("%s fails a document", async (_what, markdown, reason) => {
  await using folder = await TempFolder.create();
  await using session = new DocumentSession(folder.path);
  const error: unknown = await session.follow(markdown).catch((failure: unknown) => failure);
  expect((error as Error).message).toContain(reason);
});
