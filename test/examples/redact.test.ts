import { describe, expect, test } from "bun:test";

import { Alphabet } from "../../examples/transforms/redact/alphabet.ts";
import { Automaton } from "../../examples/transforms/redact/automaton.ts";
import { FAMILY_NAMES, GIVEN_NAMES, WORDS } from "../../examples/transforms/redact/names.ts";
import { isCardNumber, isIban } from "../../examples/transforms/redact/personal-data.ts";
import { Redactor } from "../../examples/transforms/redact/redactor.ts";
import { announceSeed, Random } from "../support/random.ts";

const redactor = new Redactor({
  words: WORDS,
  givenNames: GIVEN_NAMES,
  familyNames: FAMILY_NAMES,
  forgivesTypos: true,
  mask: "*",
});

/** How often letters must be added, removed, changed or swapped (no letter twice) to get from one to the other. */
function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) =>
    Array.from({ length: b.length + 1 }, (__, j) => (i === 0 ? j : j === 0 ? i : 0)),
  );
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      let least = Math.min(
        at(i - 1, j) + 1,
        at(i, j - 1) + 1,
        at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) least = Math.min(least, at(i - 2, j - 2) + 1);
      (rows[i] as number[])[j] = least;
    }
  }
  return at(a.length, b.length);
}

describe("the automaton", () => {
  const random = new Random(announceSeed("redact"));
  const letters = "abc";

  function randomAutomaton() {
    const patterns = Array.from({ length: random.between(1, 12) }, () =>
      random.text(random.between(1, 6), letters),
    );
    const alphabet = new Alphabet(patterns);
    const automaton = new Automaton(
      patterns.map((pattern) => alphabet.symbolsOf(pattern)),
      alphabet.size,
    );
    return { patterns, alphabet, automaton };
  }

  test("finds what a search for each pattern finds", () => {
    for (let round = 0; round < 300; round++) {
      const { patterns, alphabet, automaton } = randomAutomaton();
      const text = random.text(random.below(80), `${letters}d`);
      const found: [number, number][] = [];
      const { symbols, length } = alphabet.fold(text);
      automaton.search(symbols, length, (start, end) => found.push([start, end]));
      const expected = Array.from({ length: text.length }, (_, i) => i + 1).flatMap((end) => {
        const longest = Math.max(
          0,
          ...patterns.filter((one) => text.slice(0, end).endsWith(one)).map((one) => one.length),
        );
        return longest === 0 ? [] : [[end - longest, end]];
      });
      expect(found as number[][]).toEqual(expected);
    }
  });

  test("is near what can be reached with so many errors", () => {
    for (let round = 0; round < 300; round++) {
      const { patterns, alphabet, automaton } = randomAutomaton();
      const text = random.text(random.between(1, 7), letters);
      const { symbols, length } = alphabet.fold(text);
      for (const errors of [0, 1, 2]) {
        const expected = patterns.some((pattern) => distance(text, pattern) <= errors);
        expect([text, patterns, automaton.isNearPattern(symbols, 0, length, errors)]).toEqual([
          text,
          patterns,
          expected,
        ]);
      }
    }
  });
});

describe("what is taken out", () => {
  test.each([
    ["a word", "you NUMBSKULL, stop", "you *********, stop"],
    ["a word in disguise", "you n0mb$kull and Bönéhead!", "you ********* and ********!"],
    ["a word with an error in it", "a bufoon", "a ******"],
    ["a name", "ask Alba Abendroth.", "ask **************."],
    ["a name, the other way round", "ask abendroth   alba", "ask ****************"],
    ["a name with two errors", "ask Abla Abendrot", "ask *************"],
    ["an address", "mail a.b+c@mail.example.org now", "mail ********************** now"],
    ["a card number", "4111-1111-1111-1111 it is", "******************* it is"],
    ["an account number", "IBAN DE89 3704 0044 0532 0130 00", `IBAN ${"*".repeat(27)}`],
    ["a telephone number", "call +49 (30) 90 18 20", "call *****************"],
    ["what overlaps, once", "numbskull@example.org", "*********************"],
  ])("%s", (_what, text, expected) => {
    expect(redactor.redact(text).text).toBe(expected);
  });

  test.each([
    ["a part of a longer word", "numbskullery99 is an art"],
    ["a number that fails its check", "4111 1111 1111 1112 and DE88 3704 0044 0532 0130 00"],
    ["a given name alone", "Alba went home"],
    ["a short text", ""],
  ])("but not %s", (_what, text) => {
    expect(redactor.redact(text)).toEqual({ text, spans: [] });
  });

  test("keeps everything else where it was, whatever the characters", () => {
    const random = new Random(announceSeed("redact text"));
    const alphabet = "aàe\u0301ß 😀\u0300\n@.1İﬁ中";
    for (let round = 0; round < 300; round++) {
      const before = random.text(random.below(20), alphabet);
      const after = random.text(random.below(20), alphabet);
      const { text } = redactor.redact(`${before} numbskull ${after}`);
      const plain = `${redactor.redact(`${before} `).text}*********${redactor.redact(` ${after}`).text}`;
      expect(text).toBe(plain);
    }
  });
});

test("check digits", () => {
  expect([isCardNumber("5500 0000 0000 0004"), isCardNumber("5500000000000005")]).toEqual([
    true,
    false,
  ]);
  expect([isIban("GB82WEST12345698765432"), isIban("GB82WEST12345698765431")]).toEqual([
    true,
    false,
  ]);
});

test("an automaton of thousands of patterns is built", () => {
  expect(redactor.patternCount).toBe(2 * GIVEN_NAMES.length * FAMILY_NAMES.length + WORDS.length);
  expect(redactor.stateCount).toBeGreaterThan(50_000);
});
