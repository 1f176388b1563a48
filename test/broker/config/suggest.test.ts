import { expect, test } from "bun:test";

import { nearest } from "../../../broker/config/suggest.ts";

const NAMES = ["port", "host", "historySize", "historyTtlMs", "maxConnections", "log", "logLevel"];

test.each([
  ["prot", "port"],
  ["Port", "port"],
  ["historysize", "historySize"],
  ["history_size", "historySize"],
  ["histSize", "historySize"],
  ["maxConnection", "maxConnections"],
  ["loglevle", "logLevel"],
  ["port", "port"],
])("%s was meant to be %s", (word, name) => {
  expect(nearest(word, NAMES)).toBe(name);
});

test.each(["", "x", "completely", "a".repeat(100_000)])("nothing is like %.20s", (word) => {
  expect(nearest(word, NAMES)).toBeNull();
});
