import { channelNameKind } from "../../protocol/channel-name.ts";
import { TransformLoadError } from "../boundary/fault.ts";
import type { StandardSchema } from "../sdk/standard-schema.ts";
import { TRANSFORM_API } from "../sdk/transform.ts";
import type { TransformDefinition } from "../sdk/transform.ts";
import { nearName } from "./near-name.ts";

/** A definition whose types nobody here knows; checked, so that its parts are what they should be. */
export type AnyDefinition = TransformDefinition<StandardSchema, unknown, unknown>;

/** Interfaces that are taken: this one and the one before. */
export const OLDEST_API = Math.max(1, TRANSFORM_API - 1);

const FIELDS = [
  "api",
  "name",
  "version",
  "description",
  "match",
  "config",
  "order",
  "async",
  "failClosed",
  "limits",
  "lane",
  "setup",
  "process",
  "teardown",
];
const MATCH_FIELDS = ["channels", "minBytes", "maxBytes"];
const LANE_FIELDS = ["create", "snapshot", "restore", "lookBack", "replay"];
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const MAX_NAME_CHARS = 64;
/** Semantic version 2.0. */
const VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;
const MAX_PATTERNS = 64;
const MAX_LOOK_BACK = 1000;

/** Limits a transform may ask for: default, least and most. */
export const LIMITS = {
  batch: [256, 1, 4096],
  batchBytes: [256 * 1024, 1024, 16 * 1024 * 1024],
  timeoutMs: [1000, 1, 600_000],
  heapMb: [256, 8, 16_384],
  maxEmissions: [8, 0, 256],
  laneQueue: [4096, 1, 1_000_000],
} as const;

/**
 * Checks what a module exports as a transform.
 * @throws TransformLoadError saying which field is wrong, and how
 */
export function checkDefinition(value: unknown): AnyDefinition {
  const fields = record(value, "the transform");
  refuseUnknown(fields, FIELDS, "the transform");
  const api = fields["api"] ?? TRANSFORM_API;
  if (
    typeof api !== "number" ||
    !Number.isInteger(api) ||
    api < OLDEST_API ||
    api > TRANSFORM_API
  ) {
    throw wrong(`api is ${shown(api)}; this broker takes ${OLDEST_API} to ${TRANSFORM_API}`);
  }
  const name = fields["name"];
  if (typeof name !== "string" || !NAME.test(name) || name.length > MAX_NAME_CHARS) {
    throw wrong(`name must be lower case words with hyphens, not ${shown(name)}`);
  }
  const version = fields["version"];
  if (typeof version !== "string" || version.length > MAX_NAME_CHARS || !VERSION.test(version)) {
    throw wrong(`version must be a semantic version such as 1.0.0, not ${shown(version)}`);
  }
  optional(fields, "description", "string");
  optional(fields, "async", "boolean");
  optional(fields, "failClosed", "boolean");
  optional(fields, "setup", "function");
  optional(fields, "teardown", "function");
  checkProcess(fields);
  const order = fields["order"] ?? "channel";
  if (order !== "channel" && order !== "key" && order !== "none") {
    throw wrong(`order must be "channel", "key" or "none", not ${shown(order)}`);
  }
  if (fields["match"] !== undefined) checkMatch(fields["match"]);
  if (fields["limits"] !== undefined) checkLimits(fields["limits"]);
  if (fields["config"] !== undefined) checkSchema(fields["config"]);
  if (fields["lane"] !== undefined) checkLane(fields["lane"], order);
  return value as AnyDefinition;
}

function checkProcess(fields: Record<string, unknown>): void {
  const process = fields["process"];
  if (typeof process !== "function") throw wrong("process must be a function");
  const isAsync = process.constructor.name === "AsyncFunction";
  if (isAsync && fields["async"] !== true) {
    throw wrong("process is an async function: say so with `async: true`");
  }
}

function checkMatch(value: unknown): void {
  const match = record(value, "match");
  refuseUnknown(match, MATCH_FIELDS, "match");
  const channels = match["channels"];
  if (channels !== undefined) {
    if (!Array.isArray(channels) || channels.length === 0 || channels.length > MAX_PATTERNS) {
      throw wrong(`match.channels must be a list of 1 to ${MAX_PATTERNS} patterns`);
    }
    for (const pattern of channels as unknown[]) {
      if (typeof pattern !== "string" || channelNameKind(pattern) === "invalid") {
        throw wrong(`match.channels: ${shown(pattern)} is not a channel pattern`);
      }
    }
  }
  for (const name of ["minBytes", "maxBytes"]) {
    const bytes = match[name];
    if (bytes !== undefined && (typeof bytes !== "number" || !(bytes >= 0))) {
      throw wrong(`match.${name} must be a number of bytes, not ${shown(bytes)}`);
    }
  }
}

function checkLimits(value: unknown): void {
  const limits = record(value, "limits");
  refuseUnknown(limits, Object.keys(LIMITS), "limits");
  for (const [name, [, least, most]] of Object.entries(LIMITS)) {
    const limit = limits[name];
    if (limit === undefined) continue;
    const fits =
      typeof limit === "number" && Number.isInteger(limit) && limit >= least && limit <= most;
    if (!fits) {
      throw wrong(
        `limits.${name} must be an integer from ${least} to ${most}, not ${shown(limit)}`,
      );
    }
  }
}

function checkSchema(value: unknown): void {
  // arktype's schemas are functions.
  const standard: unknown =
    typeof value === "function" || (typeof value === "object" && value !== null)
      ? (value as Record<string, unknown>)["~standard"]
      : undefined;
  const fields = standard as { version?: unknown; validate?: unknown } | undefined;
  if (fields?.version !== 1 || typeof fields.validate !== "function") {
    throw wrong(
      "config must be a Standard Schema (version 1), such as one of zod, valibot or arktype",
    );
  }
}

function checkLane(value: unknown, order: string): void {
  const lane = record(value, "lane");
  refuseUnknown(lane, LANE_FIELDS, "lane");
  if (order === "none") throw wrong('lane needs an order: "channel" or "key"');
  if (typeof lane["create"] !== "function") throw wrong("lane.create must be a function");
  for (const name of ["snapshot", "restore", "replay"]) optional(lane, name, "function", "lane.");
  if ((lane["snapshot"] === undefined) !== (lane["restore"] === undefined)) {
    throw wrong("lane.snapshot and lane.restore belong together: one of them is missing");
  }
  const lookBack = lane["lookBack"] ?? 0;
  if (
    typeof lookBack !== "number" ||
    !Number.isInteger(lookBack) ||
    lookBack < 0 ||
    lookBack > MAX_LOOK_BACK
  ) {
    throw wrong(`lane.lookBack must be an integer from 0 to ${MAX_LOOK_BACK}`);
  }
  if (lookBack > 0 !== (lane["replay"] !== undefined)) {
    throw wrong("lane.lookBack and lane.replay belong together: one of them is missing");
  }
  if (lookBack > 0 && order === "key") {
    throw wrong('lane.lookBack needs the order "channel": history is kept by channel, not by key');
  }
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(`${what} must be an object, not ${shown(value)}`);
  }
  return value as Record<string, unknown>;
}

function optional(
  fields: Record<string, unknown>,
  name: string,
  type: "string" | "boolean" | "function",
  prefix = "",
): void {
  const value = fields[name];
  if (value !== undefined && typeof value !== type) {
    throw wrong(`${prefix}${name} must be a ${type}, not ${shown(value)}`);
  }
}

function refuseUnknown(
  fields: Record<string, unknown>,
  known: readonly string[],
  what: string,
): void {
  for (const name of Object.keys(fields)) {
    if (known.includes(name)) continue;
    const meant = nearName(name, known);
    const hint = meant === undefined ? `known are ${known.join(", ")}` : `did you mean "${meant}"?`;
    throw wrong(`${what} has the unknown field "${name}"; ${hint}`);
  }
}

function shown(value: unknown): string {
  const text = Bun.inspect(value, { depth: 0 });
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

function wrong(message: string): TransformLoadError {
  return new TransformLoadError("load", message);
}
