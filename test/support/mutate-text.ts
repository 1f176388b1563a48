import type { Random } from "./random.ts";

/** Pieces of JSON that are likely to hurt. */
const PIECES = [
  "[",
  "]",
  "{",
  "}",
  ",",
  ":",
  '"',
  "\n",
  "\r",
  "null",
  "true",
  "1e999",
  "-0",
  "1.5",
  "18446744073709551615",
  "-1",
  "[[[[[[[[",
  '{"b64":"',
  '{"b64":"/w=="}',
  '{"__proto__":',
  '{"toString":null}',
  String.raw`"\u0000"`,
  String.raw`"\ud800"`,
  "\ud800",
  "\u2028",
  "\ufeff",
  "é",
  "/*",
  "NaN",
] as const;

/** A good line, or several, with one to four damages. */
export function mutateText(random: Random, seeds: readonly string[]): string {
  let text = random.pick(seeds);
  const count = random.between(1, 4);
  for (let i = 0; i < count; i++) {
    const at = random.below(text.length + 1);
    const [before, after] = [text.slice(0, at), text.slice(at)];
    switch (random.below(5)) {
      case 0:
        text = before;
        break;
      case 1:
        text = before + random.pick(PIECES) + after;
        break;
      case 2:
        text = before + random.pick(PIECES) + after.slice(random.between(1, 3));
        break;
      case 3:
        text = before + after.slice(random.between(1, 6));
        break;
      default:
        text = before + random.pick(seeds).slice(random.below(20)) + after;
    }
  }
  return text;
}
