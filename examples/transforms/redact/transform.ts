import { defineTransform } from "tickwire/transform";
import { z } from "zod";

import { FAMILY_NAMES, GIVEN_NAMES, WORDS } from "./names.ts";
import { Redactor } from "./redactor.ts";

const Config = z.object({
  /** Words to take out, beside the built-in ones. */
  words: z.array(z.string().min(1).max(100)).max(50_000).default([]),
  /** People to take out: every given name with every family name. */
  givenNames: z.array(z.string().min(1).max(50)).max(500).default(GIVEN_NAMES),
  familyNames: z.array(z.string().min(1).max(50)).max(500).default(FAMILY_NAMES),
  forgivesTypos: z.boolean().default(true),
  /** Stands for each character that is taken out. */
  mask: z.string().length(1).default("*"),
});

const MAX_DEPTH = 32;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Takes names, words, addresses, card and account numbers out of texts, and out of all strings of JSON. What it
 * cannot read it refuses: nothing goes out unread.
 */
export default defineTransform({
  name: "redact",
  version: "1.0.0",
  description: "Takes personal data and profanity out of text and JSON",
  config: Config,
  // Texts do not depend on each other, but readers of a chat expect them in order.
  order: "channel",
  failClosed: true,
  // The longest text takes about 0.1 s; ten times that on a busy machine is still no endless loop.
  limits: { batch: 16, timeoutMs: 2000 },

  setup(config, host) {
    const redactor = new Redactor({ ...config, words: [...WORDS, ...config.words] });
    const { patternCount, stateCount } = redactor;
    host.log.info("automaton built", { patternCount, stateCount });
    return redactor;
  },

  process(batch, { state: redactor, metrics }) {
    for (const message of batch) {
      let text: string;
      try {
        text = utf8.decode(message.bytes);
      } catch {
        message.fail("the payload is no UTF-8 text");
        continue;
      }
      const found = new Map<string, number>();
      const redact = (part: string): string => {
        const result = redactor.redact(part);
        for (const { kind } of result.spans) found.set(kind, (found.get(kind) ?? 0) + 1);
        return result.text;
      };
      const value = parsedJson(text);
      if (value !== undefined && isDeeperThan(value, MAX_DEPTH)) {
        message.fail(`JSON nested more than ${MAX_DEPTH} deep`);
        continue;
      }
      const redacted =
        value === undefined ? redact(text) : JSON.stringify(redactStrings(value, redact));
      for (const [kind, count] of found) metrics.count(kind, count);
      // What had nothing in it goes on as it came, byte for byte.
      if (found.size > 0) message.replace(redacted);
    }
  },
});

/** Undefined when the text is no JSON object or list. */
function parsedJson(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return depth === 0 || Object.values(value).some((item) => isDeeperThan(item, depth - 1));
}

/** Strings, and the names of fields. */
function redactStrings(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map((item) => redactStrings(item, redact));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [redact(name), redactStrings(item, redact)]),
  );
}
