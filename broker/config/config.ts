import type { NamespaceOptions } from "../channels/namespace.ts";
import { BadValue, ConfigError } from "./config-error.ts";
import type { ConfigProblem } from "./config-error.ts";
import { resolveNamespaces } from "./namespaces.ts";
import type { Option } from "./option.ts";
import { OPTION_NAMES, OPTIONS } from "./options.ts";
import type { OptionName } from "./options.ts";
import { findConflicts } from "./rules.ts";
import { nearest } from "./suggest.ts";

type ValueOf<Row> = Row extends Option<infer Value, infer _Input> ? Value : never;
type InputOf<Row> = Row extends Option<infer _Value, infer Input> ? Input : never;

/** What a config file, or somebody who embeds a broker, may give. Everything is optional. */
export type ConfigInput = { readonly [Name in OptionName]?: InputOf<(typeof OPTIONS)[Name]> };

/** Checked values of all options, before namespaces are filled in. */
export type ConfigValues = { readonly [Name in OptionName]: ValueOf<(typeof OPTIONS)[Name]> };

declare const checked: unique symbol;

/**
 * The configuration a broker runs with: complete, checked and frozen. Only `buildConfig` and
 * `resolveConfig` make one. `namespaces` is complete as well and ends with the pattern ">".
 */
export type BrokerConfig = Omit<ConfigValues, "namespaces"> & {
  readonly namespaces: readonly NamespaceOptions[];
  readonly [checked]: true;
};

/** A value and where it came from. */
export interface RawValue {
  readonly raw: unknown;
  /** As the operator wrote it, for messages. */
  readonly where: string;
}

/** Types a config file: `export default defineConfig({ ... })`. */
export function defineConfig(input: ConfigInput): ConfigInput {
  return input;
}

/**
 * Checks values given in code and adds the defaults.
 * @throws ConfigError with every problem found
 */
export function buildConfig(input: ConfigInput = {}): BrokerConfig {
  const given = new Map<OptionName, RawValue>();
  const problems: ConfigProblem[] = [];
  collectInput(input, "", given, problems);
  return finishConfig(given, problems);
}

/** Adds what an object gives to `given`, and its unknown keys to `problems`. */
export function collectInput(
  input: object,
  suffix: string,
  given: Map<OptionName, RawValue>,
  problems: ConfigProblem[],
): void {
  for (const [name, raw] of Object.entries(input)) {
    if (raw === undefined) continue;
    const where = name + suffix;
    if (isOptionName(name)) given.set(name, { raw, where });
    else problems.push({ where, message: unknownName(name, OPTION_NAMES) });
  }
}

/** Why a name is not known, with the one that was probably meant. */
export function unknownName(name: string, known: readonly string[]): string {
  const hint = nearest(name, known);
  return hint === null
    ? "is not an option; docs/config.md lists them all"
    : `is not an option; did you mean ${hint}?`;
}

function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

/** Parses, checks pairs, freezes. @throws ConfigError */
export function finishConfig(
  given: ReadonlyMap<OptionName, RawValue>,
  problems: ConfigProblem[],
): BrokerConfig {
  const values: Record<string, unknown> = {};
  for (const name of OPTION_NAMES) {
    const row: Option<unknown, unknown> = OPTIONS[name];
    const source = given.get(name);
    values[name] = row.fallback();
    if (source === undefined) continue;
    try {
      values[name] = row.parse(source.raw);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      problems.push({ where: source.where, message: error.message });
    }
  }
  // Pairs are judged only when each value is right by itself: one mistake must not be told twice.
  if (problems.length === 0) problems.push(...findConflicts(values as ConfigValues));
  if (problems.length > 0) throw new ConfigError(problems);
  return freeze(values as ConfigValues);
}

function freeze(values: ConfigValues): BrokerConfig {
  const { historySize, historyTtlMs, flushIntervalMs, presence, maxPayloadBytes } = values;
  const { ack, routing, delivery } = values;
  const namespaces = resolveNamespaces(values.namespaces, {
    historySize,
    historyTtlMs,
    flushIntervalMs,
    presence,
    maxPayloadBytes,
    maxSubscribers: values.maxSubscribersPerChannel,
    ack,
    routing,
    delivery,
    traceRate: values.traceRate,
    slowMs: values.slowMs,
  });
  for (const value of Object.values(values)) if (Array.isArray(value)) Object.freeze(value);
  return Object.freeze({ ...values, namespaces }) as BrokerConfig;
}
