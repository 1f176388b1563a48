import { expect, test } from "bun:test";

import { LineSplitter, LineTooLong } from "../../../cli/lines/line-splitter.ts";
import { announceSeed, Random } from "../../support/random.ts";

function split(splitter: LineSplitter, chunks: readonly Uint8Array[]): string[] {
  const lines: Uint8Array[] = [];
  for (const chunk of chunks) lines.push(...splitter.push(chunk));
  const last = splitter.end();
  if (last !== null) lines.push(last);
  return lines.map((line) => Buffer.from(line).toString("latin1"));
}

/** What the splitter must give, said in another way. */
function plainSplit(bytes: Buffer): string[] {
  const lines = bytes.toString("latin1").split("\n");
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

test("lines are the same wherever the chunks end", () => {
  const random = new Random(announceSeed("line-splitter"));
  for (let round = 0; round < 500; round++) {
    const bytes = Buffer.from(
      random.bytes(random.below(60)).map((byte) => (byte < 60 ? 0x0a : byte)),
    );
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = random.between(1, 9);
      chunks.push(bytes.subarray(at, at + size));
      at += size;
    }
    expect(split(new LineSplitter(100), chunks)).toEqual(plainSplit(bytes));
  }
});

test("a line may have as many bytes as allowed, and not one more", () => {
  const chunks = [Buffer.from("12345"), Buffer.from("67890\n")];
  expect(split(new LineSplitter(10), chunks)).toEqual(["1234567890"]);
  expect(() => split(new LineSplitter(9), chunks)).toThrow(LineTooLong);
});
