/** Sorted by hand, so that the code is held against it. */
const kinds = {
  name: [
    "a",
    "chat.room",
    "A-Z_a-z:0-9/@",
    "market.spot.binance.xrpusdt",
    "x".repeat(255),
    Array.from({ length: 32 }, () => "s").join("."),
  ],
  pattern: [
    "*",
    ">",
    "*.*",
    "*.>",
    "market.*",
    "market.>",
    "market.*.book",
    Array.from({ length: 32 }, () => "*").join("."),
  ],
  invalid: [
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "a b",
    "a\tb",
    "a\nb",
    "a\u0000",
    "é",
    "a,b",
    "a?b",
    "a#b",
    "a+b",
    "$",
    "$sys",
    "a.$b",
    "a*",
    "*a",
    "a.b*",
    "**",
    ">.a",
    "a.>.b",
    "a>",
    ">>",
    "x".repeat(256),
    Array.from({ length: 33 }, () => "s").join("."),
  ],
} as const;

type Pairs = readonly (readonly [pattern: string, other: string])[];

const matching: Pairs = [
  ["chat.room", "chat.room"],
  ["*", "chat"],
  ["chat.*", "chat.room"],
  ["*.room", "chat.room"],
  ["a.*.c", "a.b.c"],
  ["*.*", "a.b"],
  [">", "a"],
  [">", "a.b.c"],
  ["chat.>", "chat.room"],
  ["chat.>", "chat.room.x"],
  ["*.>", "a.b"],
  ["a.*.>", "a.b.c.d"],
];

const notMatching: Pairs = [
  ["chat.room", "chat.Room"],
  ["chat.room", "chat.room.x"],
  ["chat.room", "chat"],
  ["*", "chat.room"],
  ["chat.*", "chat"],
  ["chat.*", "chat.room.x"],
  ["*.room", "chat.hall"],
  ["a.*.c", "a.c"],
  ["*.*", "a"],
  ["chat.>", "chat"],
  ["chat.>", "chatter.room"],
  ["*.>", "a"],
  ["a.*.>", "a.b"],
];

const covering: Pairs = [
  ["chat.room", "chat.room"],
  ["chat.*", "chat.room"],
  ["chat.*", "chat.*"],
  ["chat.>", "chat.room"],
  ["chat.>", "chat.*"],
  ["chat.>", "chat.>"],
  ["chat.>", "chat.*.>"],
  [">", "chat"],
  [">", "*"],
  [">", ">"],
  ["*", "*"],
  ["*.>", "*.*"],
  ["*.>", "a.>"],
  ["*.*", "a.*"],
  ["*.b", "a.b"],
];

const notCovering: Pairs = [
  ["chat.room", "chat.*"],
  ["chat.*", "chat.>"],
  ["chat.*", "chat"],
  ["chat.>", "chat"],
  ["chat.>", ">"],
  ["*", ">"],
  ["*.>", ">"],
  ["*.*", "*.>"],
  ["a.*", "*.b"],
  ["*.b", "a.*"],
  ["user.ada.>", "user.*.>"],
];

export function channelNameVectors(): unknown[] {
  return Object.entries(kinds).flatMap(([kind, values]) =>
    values.map((value) => ({ clause: "P-5.1", value, kind })),
  );
}

function matchVectors(pairs: Pairs, matches: boolean): unknown[] {
  return pairs.map(([pattern, name]) => ({ clause: "P-5.3", pattern, name, matches }));
}

function coverVectors(pairs: Pairs, covers: boolean): unknown[] {
  return pairs.map(([granted, requested]) => ({ clause: "P-5.4", granted, requested, covers }));
}

export function patternVectors(): unknown {
  return {
    matches: [...matchVectors(matching, true), ...matchVectors(notMatching, false)],
    covers: [...coverVectors(covering, true), ...coverVectors(notCovering, false)],
  };
}
