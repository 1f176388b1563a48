import { readFileSync } from "node:fs";

import { BadValue } from "./config-error.ts";
import { shown } from "./option.ts";
import type { Group, Option } from "./option.ts";

interface TextSpec {
  readonly group: Group;
  readonly text: string;
  /** Whether it must never be shown. Required, so that no text is shown by oversight. */
  readonly isSecret: boolean;
  readonly type?: string;
}

/** Longest text of one option, a public key in PEM included. */
const MAX_TEXT_LENGTH = 65_536;

function readText(raw: unknown, isSecret: boolean): string {
  if (typeof raw !== "string")
    throw new BadValue(isSecret ? "is not a text" : `${shown(raw)} is not a text`);
  if (raw.trim() === "") throw new BadValue("is empty; give a value or leave it out");
  const value = isSecret && raw.startsWith("file:") ? readFile(raw.slice("file:".length)) : raw;
  if (value.length > MAX_TEXT_LENGTH)
    throw new BadValue(`is longer than ${MAX_TEXT_LENGTH} characters`);
  return value;
}

/** A file's text without the line end that editors and `echo` leave behind. */
export function readFile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8").trimEnd();
  } catch (error) {
    throw new BadValue(`cannot read the file ${shown(path)}: ${(error as Error).message}`);
  }
  if (text === "") throw new BadValue(`the file ${shown(path)} is empty`);
  return text;
}

/** A text that must be there; `check` may change it, or throw BadValue. */
export function requiredText(
  spec: TextSpec & {
    readonly fallback: () => string;
    readonly fallbackText: string;
    readonly check?: (value: string) => string;
  },
): Option<string, string> {
  return {
    group: spec.group,
    text: spec.text,
    type: spec.type ?? "text",
    unit: null,
    range: null,
    isSecret: spec.isSecret,
    flagStyle: "value",
    fallback: spec.fallback,
    fallbackText: spec.fallbackText,
    parse: (raw) => {
      const value = readText(raw, spec.isSecret);
      return spec.check === undefined ? value : spec.check(value);
    },
  };
}

/** A text that may be absent: null. */
export function optionalText(
  spec: TextSpec & { readonly check?: (value: string) => string },
): Option<string | null, string> {
  return {
    ...requiredText({ ...spec, fallback: () => "", fallbackText: "none" }),
    fallback: () => null,
  };
}

/** A list of texts: an array in a file, separated by commas elsewhere; the flag may be repeated. */
export function textList<Item extends string = string>(
  spec: TextSpec & {
    readonly fallbackText: string;
    readonly check: (item: string) => Item;
    readonly maxItems: number;
  },
): Option<readonly Item[], readonly Item[]> {
  return {
    group: spec.group,
    text: spec.text,
    type: spec.type ?? "list of texts",
    unit: null,
    range: null,
    isSecret: spec.isSecret,
    flagStyle: "list",
    fallback: () => [],
    fallbackText: spec.fallbackText,
    parse: (raw) => {
      const items = listItems(raw, spec.isSecret);
      if (items.length > spec.maxItems)
        throw new BadValue(`has ${items.length} entries; ${spec.maxItems} at most`);
      return [...new Set(items.map((item) => spec.check(readText(item, spec.isSecret))))];
    },
  };
}

function listItems(raw: unknown, isSecret: boolean): readonly unknown[] {
  if (Array.isArray(raw)) return raw;
  if (typeof raw !== "string")
    throw new BadValue(isSecret ? "is not a list" : `${shown(raw)} is not a list`);
  const text = isSecret && raw.startsWith("file:") ? readFile(raw.slice("file:".length)) : raw;
  return text
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
