import { expect, test } from "bun:test";

import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import { wireDescription } from "../../tools/wire-layout.ts";
import stored from "./fingerprints.json" with { type: "json" };

interface Fingerprint {
  readonly sha256: string;
  readonly lines: readonly string[];
}

const fingerprints: Readonly<Record<string, Fingerprint>> = stored;

const WHAT_TO_DO = `The op table, a layout or the codes are not those of protocol version ${PROTOCOL_VERSION}.
Peers of that version would misunderstand this tree. If the change is meant:
  1. raise PROTOCOL_VERSION in protocol/version.ts and write its line of history there;
  2. describe the change in protocol/PROTOCOL.md and run tools/vectors.ts;
  3. add an entry for the new version to test/protocol/fingerprints.json, and leave the old ones alone:
`;

function sha256(lines: readonly string[]): string {
  return new Bun.CryptoHasher("sha256").update(lines.join("\n")).digest("hex");
}

test("the wire is that of the protocol version it calls itself", () => {
  const lines = wireDescription();
  const entry = fingerprints[PROTOCOL_VERSION];
  if (entry?.sha256 === sha256(lines)) return;
  const before = new Set(entry?.lines);
  const now = new Set(lines);
  const changes = [
    ...lines.filter((line) => !before.has(line)).map((line) => `+ ${line}`),
    ...(entry?.lines ?? []).filter((line) => !now.has(line)).map((line) => `- ${line}`),
  ];
  const next = JSON.stringify({ sha256: sha256(lines), lines }, null, 2);
  throw new Error(`${WHAT_TO_DO}${next}\nWhat differs:\n${changes.join("\n")}`);
});

test("every stored fingerprint is of the lines stored with it", () => {
  for (const [version, { sha256: hash, lines }] of Object.entries(fingerprints)) {
    expect(`${version} ${hash}`).toBe(`${version} ${sha256(lines)}`);
  }
});

test("there is a fingerprint of every version so far", () => {
  const versions = Array.from({ length: PROTOCOL_VERSION }, (_, i) => String(i + 1));
  expect(Object.keys(fingerprints)).toEqual(versions);
});

test("the description sees every op and tells layouts apart", () => {
  const lines = wireDescription();
  expect(new Set(lines).size).toBe(lines.length);
  // A probe that went astray would be drawn as itself.
  expect(lines.filter((line) => /probe-|\b1\d\d\d\b/.test(line))).toEqual([]);
});
