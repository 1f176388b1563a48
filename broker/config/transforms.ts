import { statSync } from "node:fs";
import { resolve } from "node:path";

import { isChannelName, isChannelPattern, patternMatches } from "../../protocol/channel-name.ts";
import { BadValue } from "./config-error.ts";
import { boolean, integer, shown, size } from "./option.ts";
import type { Option } from "./option.ts";
import { parseList } from "./parse-list.ts";
import { nearest } from "./suggest.ts";
import { optionalText } from "./text-option.ts";

/** What becomes of a publication that a transform failed for. There is no default: the operator must choose. */
export type TransformFailurePolicy = "drop" | "pass" | "nack" | `dead-letter:${string}`;

/** A transform bound to channels, as a config file holds it. */
export interface TransformInput {
  /** Its name in the server API, metrics and logs; default: made of `use`. */
  readonly id?: string;
  /** The module: a path beginning with "." or "/", or the name of a package. */
  readonly use: string;
  /** Folder that `use` is looked up from; default: that of the config file, or the working directory. */
  readonly directory?: string;
  /** Patterns of the channels whose publications go through it. */
  readonly channels: readonly string[];
  /** What its `setup` gets, checked by the transform: plain data, as in JSON. */
  readonly config?: unknown;
  readonly onError: TransformFailurePolicy;
  /** Patterns of channels it may emit to; default: none. */
  readonly emit?: readonly string[];
  readonly workers?: number;
  readonly isolation?: (typeof ISOLATIONS)[number];
  /** When too much waits: refuse the publisher, pass it unchanged, or drop the oldest. */
  readonly shed?: (typeof SHED_POLICIES)[number];
}

/** The same, complete. */
export interface TransformBinding {
  readonly id: string;
  readonly use: string;
  readonly directory: string;
  readonly channels: readonly string[];
  readonly config: unknown;
  readonly onError: TransformFailurePolicy;
  readonly emit: readonly string[];
  readonly workers: number;
  readonly isolation: (typeof ISOLATIONS)[number];
  readonly shed: (typeof SHED_POLICIES)[number];
}

const ISOLATIONS = ["thread", "process"] as const;
const SHED_POLICIES = ["reject", "bypass", "drop-oldest"] as const;

const KEYS = [
  "id",
  "use",
  "directory",
  "channels",
  "config",
  "onError",
  "emit",
  "workers",
  "isolation",
  "shed",
] as const satisfies readonly (keyof TransformInput)[];

const MAX_TRANSFORMS = 64;
const MAX_PATTERNS = 256;
const MAX_WORKERS = 16;
const DEAD_LETTER = "dead-letter:";

const group = "Transforms";

const transformsOption: Option<readonly TransformBinding[], readonly TransformInput[]> = {
  group,
  type: "list of transforms",
  unit: null,
  range: null,
  text:
    "Transforms and the channels whose publications go through them, in this order: objects of " +
    `${KEYS.join(", ")}; docs/transforms.md explains them. JSON text outside a file.`,
  fallback: () => [],
  fallbackText: "none",
  isSecret: false,
  flagStyle: "value",
  parse: (raw) => {
    const bindings = parseList(raw, "transforms", MAX_TRANSFORMS).map(parseTransform);
    checkIds(bindings);
    return bindings;
  },
};

export const TRANSFORM_OPTIONS = {
  transforms: transformsOption,
  watchTransforms: boolean({
    group,
    fallback: false,
    text: "Loads a transform anew when its file changes; for development.",
  }),
  transformsFolder: optionalText({
    group,
    isSecret: false,
    type: "path",
    check: checkFolder,
    text: "Folder below which the server API may name files of transforms to load; without it only those bound here, and packages.",
  }),
  transformPendingPerConnection: integer({
    group,
    fallback: 16_384,
    min: 1,
    max: 1_000_000,
    unit: "publications",
    text: "Publications of one connection that may be in transforms; more are refused with 4103.",
  }),
  transformPending: integer({
    group,
    fallback: 65_536,
    min: 1,
    max: 10_000_000,
    unit: "publications",
    text: "Publications of this node that may be in transforms; more are refused with 4104.",
  }),
  transformPendingBytes: size({
    group,
    fallback: 64 * 1024 * 1024,
    min: 64 * 1024,
    max: 64 * 1024 * 1024 * 1024,
    text: "Bytes of publications of this node that may be in transforms; more are refused with 4104.",
  }),
} as const;

function checkFolder(path: string): string {
  const folder = resolve(path);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return folder;
  throw new BadValue(`${shown(path)} is no folder`);
}

function parseTransform(raw: unknown, index: number): TransformBinding {
  const name = `entry ${index + 1}`;
  if (typeof raw !== "object" || raw === null || Array.isArray(raw))
    throw new BadValue(`${name} is not an object with use, channels and onError`);
  const given = raw as Record<string, unknown>;
  for (const key of Object.keys(given)) {
    if ((KEYS as readonly string[]).includes(key)) continue;
    const hint = nearest(key, KEYS);
    const advice = hint === null ? `it may have ${KEYS.join(", ")}` : `did you mean ${hint}?`;
    throw new BadValue(`${name}: ${key} is not known; ${advice}`);
  }
  if (typeof given["use"] !== "string" || given["use"].trim() === "")
    throw new BadValue(`${name} needs use: the path of a module, or the name of a package`);
  try {
    return parseFields(given, given["use"]);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    throw new BadValue(`${name} (${given["use"]}): ${error.message}`, { cause: error });
  }
}

function parseFields(given: Readonly<Record<string, unknown>>, use: string): TransformBinding {
  const channels = patterns(given["channels"], "channels");
  if (channels.length === 0) throw new BadValue('needs channels, such as ["orders.>"]');
  return Object.freeze({
    id: idOf(given["id"], use),
    use,
    directory: text(given["directory"], "directory") ?? process.cwd(),
    channels,
    config: plainData(given["config"]),
    onError: failurePolicy(given["onError"], channels),
    emit: patterns(given["emit"], "emit"),
    workers: workerCount(given["workers"]),
    isolation: oneOf(ISOLATIONS, given["isolation"], "isolation") ?? "thread",
    shed: oneOf(SHED_POLICIES, given["shed"], "shed") ?? "reject",
  });
}

function text(raw: unknown, name: string): string | null {
  if (raw === undefined || raw === null) return null;
  if (typeof raw !== "string" || raw === "") throw new BadValue(`${name} is not a text`);
  return raw;
}

/** As it was given, or the file's or package's name: "./transforms/redact.ts" is "redact". */
function idOf(raw: unknown, use: string): string {
  const given = text(raw, "id");
  if (given !== null) {
    if (/^[a-z0-9][a-z0-9-]{0,63}$/.test(given)) return given;
    throw new BadValue(`${shown(given)} is no id: 1 to 64 lower case letters, digits and "-"`);
  }
  const names = use.split("/").filter((part) => /^[\w@-]/.test(part));
  const last = (names.pop() ?? "").replace(/\.[cm]?[jt]s$/, "");
  const name = /^(index|main|transform)$/.test(last) ? (names.pop() ?? last) : last;
  const id = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 64);
  if (id === "") throw new BadValue("needs an id: its path tells none");
  return id;
}

function patterns(raw: unknown, name: string): readonly string[] {
  if (raw === undefined || raw === null) return Object.freeze([]);
  if (!Array.isArray(raw)) throw new BadValue(`${name} is not a list of channel patterns`);
  if (raw.length > MAX_PATTERNS)
    throw new BadValue(`${name} has ${raw.length} entries; ${MAX_PATTERNS} at most`);
  for (const pattern of raw as readonly unknown[]) {
    if (typeof pattern !== "string" || !isChannelPattern(pattern))
      throw new BadValue(`${name}: ${shown(pattern)} is not a channel name or pattern`);
  }
  return Object.freeze([...(raw as readonly string[])]);
}

function failurePolicy(raw: unknown, channels: readonly string[]): TransformFailurePolicy {
  if (raw === undefined || raw === null)
    throw new BadValue(
      'needs onError, what becomes of a publication it fails for: "nack" (the publisher gets an error), ' +
        '"drop", "pass" (unchanged) or "dead-letter:<channel>"',
    );
  if (raw === "drop" || raw === "pass" || raw === "nack") return raw;
  if (typeof raw !== "string" || !raw.startsWith(DEAD_LETTER))
    throw new BadValue(`onError is ${shown(raw)}; give drop, pass, nack or dead-letter:<channel>`);
  const channel = raw.slice(DEAD_LETTER.length);
  if (!isChannelName(channel))
    throw new BadValue(`onError: ${shown(channel)} is not a channel name`);
  const own = channels.find((pattern) => patternMatches(pattern, channel));
  if (own !== undefined)
    throw new BadValue(
      `onError: the dead-letter channel ${channel} is one of its own channels ("${own}"); choose one that is not`,
    );
  return raw as TransformFailurePolicy;
}

function workerCount(raw: unknown): number {
  if (raw === undefined || raw === null) return 1;
  if (!Number.isInteger(raw) || (raw as number) < 1 || (raw as number) > MAX_WORKERS)
    throw new BadValue(`workers is ${shown(raw)}; give a whole number from 1 to ${MAX_WORKERS}`);
  return raw as number;
}

function oneOf<const Choice extends string>(
  choices: readonly Choice[],
  raw: unknown,
  name: string,
): Choice | null {
  if (raw === undefined || raw === null) return null;
  const found = choices.find((choice) => choice === raw);
  if (found === undefined)
    throw new BadValue(`${name} is ${shown(raw)}; give one of ${choices.join(", ")}`);
  return found;
}

/** It goes to workers, which may be other processes: a copy of what JSON can hold. */
function plainData(raw: unknown): unknown {
  if (raw === undefined) return null;
  try {
    const copy: unknown = JSON.parse(JSON.stringify(raw));
    if (Bun.deepEquals(copy, raw)) return copy;
  } catch (error) {
    throw new BadValue(`config is not plain data: ${(error as Error).message}`, { cause: error });
  }
  throw new BadValue("config is not plain data: it may hold what JSON can, and nothing else");
}

function checkIds(bindings: readonly TransformBinding[]): void {
  const seen = new Set<string>();
  for (const { id } of bindings) {
    if (seen.has(id))
      throw new BadValue(`two transforms have the id ${id}; give them ids of their own`);
    seen.add(id);
  }
}

/** What a config file names is looked up from its folder, where nothing else is said. */
export function anchorTransforms(content: object, directory: string): object {
  const { transforms, transformsFolder } = content as Partial<
    Record<keyof typeof TRANSFORM_OPTIONS, unknown>
  >;
  const anchored: Record<string, unknown> = {};
  if (Array.isArray(transforms)) {
    anchored["transforms"] = transforms.map((one: unknown) =>
      typeof one === "object" && one !== null && !Array.isArray(one) ? { directory, ...one } : one,
    );
  }
  if (typeof transformsFolder === "string" && transformsFolder !== "") {
    anchored["transformsFolder"] = resolve(directory, transformsFolder);
  }
  return { ...content, ...anchored };
}

/** For output: configuration of transforms may hold secrets nobody marked as such. */
export function redactTransforms(bindings: readonly TransformBinding[]): readonly unknown[] {
  return bindings.map((one) => (one.config === null ? one : { ...one, config: "(hidden)" }));
}
