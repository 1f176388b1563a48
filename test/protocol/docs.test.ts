import { describe, expect, test } from "bun:test";

import { OPTIONS } from "../../broker/config/options.ts";
import { decodeBinary } from "../../protocol/binary-codec.ts";
import { Code } from "../../protocol/codes.ts";
import { decodeCommand } from "../../protocol/command.ts";
import * as limits from "../../protocol/limits.ts";
import { Op } from "../../protocol/op.ts";
import { decodeServerFrame } from "../../protocol/push.ts";
import { frameEnd } from "../../protocol/reader.ts";
import * as version from "../../protocol/version.ts";
import { wireLayouts } from "../../tools/wire-layout.ts";
import { jsonForm } from "../support/plain-json.ts";
import { plainFrames } from "../support/plain-msgpack.ts";
import { exampleSession, readProtocolDocument } from "../support/protocol-document.ts";
import { loadVectors } from "../support/vector-files.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const document = await readProtocolDocument();
const clauses = new Set(document.clauses);
const sections = new Set(document.sections);

function unquoted(cell: string | undefined): string {
  return (cell ?? "").replaceAll("`", "");
}

describe("clauses", () => {
  test("are numbered without a hole, each once, under the section of their number", () => {
    const expected: string[] = [];
    for (const section of document.sections) {
      const inSection = document.clauses.filter((clause) => clause.startsWith(`${section}.`));
      expected.push(...inSection.map((_, i) => `${section}.${i + 1}`));
    }
    expect(document.clauses).toEqual(expected);
    expect(document.sections).toEqual(document.sections.map((_, i) => String(i + 1)));
  });

  test("mentioned anywhere in the tree exist", async () => {
    const missing: string[] = [];
    let mentions = 0;
    for await (const path of new Bun.Glob("**/*.{ts,md,json,mjs}").scan({ cwd: ROOT })) {
      if (/(^|\/)(node_modules|\.[^/]+)\//.test(path)) continue;
      const text = await Bun.file(ROOT + path).text();
      for (const [mention, section, clause] of text.matchAll(/\[P-(\d+)\]|\bP-(\d+\.\d+)\b/g)) {
        mentions++;
        const exists = section === undefined ? clauses.has(clause ?? "") : sections.has(section);
        if (!exists) missing.push(`${path}: ${mention}`);
      }
    }
    expect(missing).toEqual([]);
    expect(mentions).toBeGreaterThan(200);
  });

  test("of every vector are those of a clause", async () => {
    const { patterns, ...lists } = await loadVectors();
    const all = [...Object.values(lists).flat(), ...patterns.matches, ...patterns.covers];
    for (const { clause } of all) expect(document.clauses).toContain(clause.slice(2));
  });
});

describe("the table of ops", () => {
  const rows = document.table("Op", "Name", "From", "Frame", "Clause");

  test("has every op with its name and no other", () => {
    const documented = rows.map((row) => [unquoted(row["Name"]), Number(row["Op"])]);
    expect(documented).toEqual(Object.entries(Op));
  });

  test("says who sends it", () => {
    for (const row of rows) expect(row["From"]).toBe(Number(row["Op"]) < 32 ? "client" : "broker");
  });

  test("draws the frames as the encoders write them", () => {
    for (const row of rows) {
      const name = unquoted(row["Name"]);
      const written = wireLayouts()
        .filter((layout) => layout.name === name && !layout.fields.includes("null"))
        .map(({ fields }) => fieldNames(fields));
      expect([name, ...new Set(written)]).toEqual([name, unquoted(row["Frame"])]);
    }
  });

  test("points at clauses that speak of the op", () => {
    for (const row of rows) expect(document.clauses).toContain((row["Clause"] ?? "").slice(2));
  });
});

/** `[2, id, [recover.epoch, recover.offset]]` as `[2, id, recover]`. */
function fieldNames(fields: string): string {
  let text = fields.slice(1, -1);
  while (text.includes("[")) {
    text = text.replaceAll(/\[([^[\].,]+)[^[\]]*\]/g, "$1");
  }
  const names = text.split(", ").map((path) => path.split(".")[0]);
  return `[${names.join(", ")}]`;
}

test("the table of codes is the registry", () => {
  const documented = document.table("Code", "Name", "Use", "HTTP", "Meaning").map((row) => ({
    code: Number(row["Code"]),
    name: row["Name"],
    use: row["Use"],
    httpStatus: Number(row["HTTP"]),
    text: row["Meaning"],
  }));
  expect(documented).toEqual(Object.values(Code));
});

test("the table of limits is that of the code, and its clauses exist", () => {
  const rows = document.table("Limit", "Value", "Unit", "Clause");
  const documented = rows.map((row) => [unquoted(row["Limit"]), Number(row["Value"])]);
  expect(Object.fromEntries(documented)).toEqual({ ...limits });
  for (const row of rows) {
    for (const clause of (row["Clause"] ?? "").split(", ")) {
      expect(document.clauses).toContain(clause.slice(2));
    }
  }
});

test("the table of defaults is that of the broker's options", () => {
  for (const row of document.table("Option", "Default", "Unit", "Clause")) {
    const name = unquoted(row["Option"]);
    expect(Object.keys(OPTIONS)).toContain(name);
    const value: unknown = OPTIONS[name as keyof typeof OPTIONS].fallback();
    const documented = Number((row["Default"] ?? "").replace(" (none)", ""));
    expect([name, documented]).toEqual([name, value as number]);
  }
});

test("the subprotocols and the version are those of the code", () => {
  const names = document
    .table("Subprotocol", "Format", "Messages")
    .map((row) => unquoted(row["Subprotocol"]));
  expect(names).toEqual([version.SUBPROTOCOL_MSGPACK, version.SUBPROTOCOL_JSON]);
  expect(document.text).toContain(`\`${version.SUBPROTOCOL_TOKEN_PREFIX}<token>\``);
  expect(document.text).toStartWith(
    `# The Tickwire protocol, version ${version.PROTOCOL_VERSION}\n`,
  );
});

describe("the session byte by byte", () => {
  const messages = exampleSession(document.text);

  test("is found", () => {
    expect(messages.length).toBeGreaterThan(8);
    expect(new Set(messages.map(({ sender }) => sender)).size).toBe(2);
  });

  const titled = messages.map((message, i) => ({ title: `message ${i + 1}`, ...message }));

  test.each(titled)("$title, from the $sender", ({ sender, bytes, lines }) => {
    const frames = plainFrames(bytes, { maxDepth: 8, maxFields: 16 });
    expect(frames.map((frame) => JSON.stringify(jsonForm(frame, "wire")))).toEqual([...lines]);
    for (let at = 0; at < bytes.length;) {
      const end = frameEnd(bytes, at, bytes.length, 8, 16);
      const frame = decodeBinary(bytes, at, end);
      at = end;
      // Op 31 stands there to show what a broker answers to it.
      if (sender === "broker") expect(decodeServerFrame(frame)).not.toBeNull();
      else if (frame[0] !== 31) expect(decodeCommand(frame).id).toBe(frame[1] as number);
    }
  });
});
