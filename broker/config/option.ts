import { BadValue } from "./config-error.ts";
import { formatBytes, formatMs, parseDurationMs, parseSizeBytes } from "./units.ts";

export const GROUPS = [
  "Listening",
  "Tokens",
  "Server API",
  "Limits",
  "Sessions",
  "History and channels",
  "Transforms",
  "Redis",
  "Tracing",
  "Logging",
] as const;

export type Group = (typeof GROUPS)[number];

/**
 * One row of the option table. `Value` is what the broker reads; `Input` is what a config file may
 * hold. Text from the environment or a flag goes through the same `parse`.
 */
export interface Option<Value, Input> {
  readonly group: Group;
  /** What the docs call its type. */
  readonly type: string;
  readonly unit: string | null;
  /** What values it takes, as the docs say it. */
  readonly range: string | null;
  /** One sentence. */
  readonly text: string;
  readonly fallback: () => Value;
  /** The default as the docs show it; the same on every machine. */
  readonly fallbackText: string;
  /** Hidden in every output. */
  readonly isSecret: boolean;
  /** `switch` flags stand alone (`--x`, `--no-x`), `list` flags may be repeated. */
  readonly flagStyle: "value" | "switch" | "list";
  /** @throws BadValue whose message says what to give instead */
  parse(raw: unknown): Value;
  /** Never set; carries the input type. */
  readonly input?: Input;
}

interface Common {
  readonly group: Group;
  readonly text: string;
}

/** A raw value as an error message may show it. */
export function shown(raw: unknown): string {
  const text = typeof raw === "string" ? JSON.stringify(raw) : (JSON.stringify(raw) ?? String(raw));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** What most rows leave at its usual value. */
type Usual = "unit" | "range" | "isSecret" | "flagStyle";

function row<Value, Input>(
  common: Common,
  rest: Omit<Option<Value, Input>, "group" | "text" | "input" | Usual> &
    Partial<Pick<Option<Value, Input>, Usual>>,
): Option<Value, Input> {
  return {
    group: common.group,
    text: common.text,
    unit: null,
    range: null,
    isSecret: false,
    flagStyle: "value",
    ...rest,
  };
}

export interface NumberOptions extends Common {
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
}

function inRange(value: number, raw: unknown, min: number, max: number, format: string): number {
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw new BadValue(`${shown(raw)} is out of range; give ${format}`);
  return value;
}

/** Digits only: `Number` would also take "", "0x10" and "1e3". */
function wholeNumber(raw: unknown): number | null {
  if (typeof raw === "number") return raw;
  return typeof raw === "string" && /^-?\d+$/.test(raw.trim()) ? Number(raw) : null;
}

export function integer(spec: NumberOptions & { readonly unit?: string }): Option<number, number> {
  const range = `a whole number from ${spec.min} to ${spec.max}`;
  return row(spec, {
    type: "integer",
    unit: spec.unit ?? null,
    range: `${spec.min} to ${spec.max}`,
    fallback: () => spec.fallback,
    fallbackText: `${spec.fallback}`,
    parse: (raw) => {
      const value = wholeNumber(raw);
      if (value === null) throw new BadValue(`${shown(raw)} is not a number; give ${range}`);
      return inRange(value, raw, spec.min, spec.max, range);
    },
  });
}

/** A share of something: 0 is none, 1 all of it. */
export function share(
  spec: Common & { readonly fallback: number },
): Option<number, number | string> {
  return row(spec, {
    type: "number",
    range: "0 to 1",
    fallback: () => spec.fallback,
    fallbackText: `${spec.fallback}`,
    parse: (raw) => {
      const isText = typeof raw === "string" && /^\d*\.?\d+(e-\d+)?$/i.test(raw.trim());
      const value = isText ? Number(raw) : raw;
      if (typeof value !== "number" || !(value >= 0 && value <= 1))
        throw new BadValue(`${shown(raw)} is out of range; give a number from 0 to 1, like 0.001`);
      return value;
    },
  });
}

/** A duration in `unit`, whose text form may name another unit ("10s", "5m"). */
export function duration(
  spec: NumberOptions & { readonly unit: "ms" | "s" },
): Option<number, number | string> {
  const factor = spec.unit === "ms" ? 1 : 1000;
  const [low, high, usual] = [spec.min, spec.max, spec.fallback].map((n) => formatMs(n * factor));
  const range = `${low} to ${high}, in ${spec.unit} or with a unit, like "10s"`;
  return row(spec, {
    type: "duration",
    unit: spec.unit,
    range: `${low} to ${high}`,
    fallback: () => spec.fallback,
    fallbackText:
      usual === `${spec.fallback} ${spec.unit}`
        ? `${spec.fallback}`
        : `${spec.fallback} (${usual})`,
    parse: (raw) => {
      const ms = typeof raw === "string" ? parseDurationMs(raw) : null;
      const value = ms === null ? wholeNumber(raw) : ms / factor;
      if (value === null) throw new BadValue(`${shown(raw)} is not a duration; give ${range}`);
      return inRange(value, raw, spec.min, spec.max, range);
    },
  });
}

/** A size in bytes, whose text form may name another unit ("64KiB"). */
export function size(spec: NumberOptions): Option<number, number | string> {
  const range = `${formatBytes(spec.min)} to ${formatBytes(spec.max)}, in bytes or like "64KiB"`;
  return row(spec, {
    type: "size",
    unit: "bytes",
    range: `${formatBytes(spec.min)} to ${formatBytes(spec.max)}`,
    fallback: () => spec.fallback,
    fallbackText: spec.fallback === 0 ? "0" : `${spec.fallback} (${formatBytes(spec.fallback)})`,
    parse: (raw) => {
      const value = (typeof raw === "string" ? parseSizeBytes(raw) : null) ?? wholeNumber(raw);
      if (value === null) throw new BadValue(`${shown(raw)} is not a size; give ${range}`);
      return inRange(value, raw, spec.min, spec.max, range);
    },
  });
}

const BOOLEANS = new Map<unknown, boolean>([
  [true, true],
  ["true", true],
  ["1", true],
  [false, false],
  ["false", false],
  ["0", false],
]);

export function boolean(spec: Common & { readonly fallback: boolean }): Option<boolean, boolean> {
  return row(spec, {
    type: "boolean",
    fallback: () => spec.fallback,
    fallbackText: `${spec.fallback}`,
    flagStyle: "switch",
    parse: (raw) => {
      const value = BOOLEANS.get(raw);
      if (value === undefined) throw new BadValue(`${shown(raw)} is neither true nor false`);
      return value;
    },
  });
}

export function choice<const Choice extends string>(
  spec: Common & {
    readonly choices: readonly Choice[];
    readonly fallback: () => NoInfer<Choice>;
    readonly fallbackText: string;
  },
): Option<Choice, Choice> {
  return row(spec, {
    type: spec.choices.map((name) => `"${name}"`).join(" or "),
    fallback: spec.fallback,
    fallbackText: spec.fallbackText,
    parse: (raw) => {
      const found = spec.choices.find((name) => name === raw);
      if (found === undefined)
        throw new BadValue(`${shown(raw)} is not known; give one of ${spec.choices.join(", ")}`);
      return found;
    },
  });
}
