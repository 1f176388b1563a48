import { readFileSync } from "node:fs";

import type { FaultType, TransformFault } from "./worker-link.ts";

/**
 * Errors as plain data. Bun's own errors of a module that cannot be built or resolved cannot be cloned, a thrown
 * value may be anything at all, and either would end the worker on its way out.
 */

const MAX_TEXT_CHARS = 2000;
const MAX_STACK_CHARS = 4000;

interface Place {
  readonly file: string | null;
  readonly line: number | null;
}

const OWN_FOLDER = new URL("../", import.meta.url).pathname;

const NOWHERE: Place = { file: null, line: null };

/** An error of ours about a transform, with what the fault shall say. */
export class TransformLoadError extends Error {
  override readonly name = "TransformLoadError";
  readonly type: FaultType;
  readonly file: string | null;
  readonly line: number | null;
  readonly issues: TransformFault["issues"];

  constructor(
    type: FaultType,
    message: string,
    options: Partial<Place> & { readonly issues?: TransformFault["issues"] } = {},
  ) {
    super(message);
    this.type = type;
    this.file = options.file ?? null;
    this.line = options.line ?? null;
    this.issues = options.issues ?? [];
  }
}

/**
 * Describes whatever was thrown; never throws itself.
 * @param file the transform's module: where it happened, when nothing says better
 */
export function faultOf(error: unknown, type: FaultType, file: string | null): TransformFault {
  try {
    return describe(error, type, file);
  } catch {
    // A getter or a proxy of the plugin's got in the way: there is nothing more to learn.
    return plainFault(type, "Error", "an error that cannot be described was thrown", {
      file,
      line: null,
    });
  }
}

export function plainFault(
  type: FaultType,
  name: string,
  message: string,
  place: Place = NOWHERE,
  stack: string | null = null,
  issues: TransformFault["issues"] = [],
): TransformFault {
  return {
    type,
    name: cut(name, 100),
    message: cut(message, MAX_TEXT_CHARS),
    file: place.file,
    line: place.line,
    stack: stack === null ? null : cut(stack, MAX_STACK_CHARS),
    issues,
  };
}

function describe(error: unknown, type: FaultType, file: string | null): TransformFault {
  if (error instanceof TransformLoadError) {
    const place = { file: error.file ?? file, line: error.line };
    return plainFault(error.type, error.name, error.message, place, null, error.issues);
  }
  if (typeof error !== "object" || error === null) {
    return plainFault(type, "Error", `threw ${cut(String(error), MAX_TEXT_CHARS)}`, {
      file,
      line: null,
    });
  }
  const fields = error as Record<string, unknown>;
  const name = text(fields["name"]) ?? "Error";
  const message = text(fields["message"]) ?? Bun.inspect(error, { depth: 1 });
  const first: unknown = Array.isArray(fields["errors"]) ? fields["errors"][0] : undefined;
  if (name === "AggregateError" && isBuildMessage(first)) return built(first, type, file);
  if (isBuildMessage(error)) return built(error, type, file);
  const stack = text(fields["stack"]) ?? null;
  const place =
    unresolved(fields) ?? missingExport(name, message, file) ?? placeInStack(stack, file);
  return plainFault(type, name, message, place ?? { file, line: null }, stack);
}

interface BuildMessage {
  readonly message: string;
  readonly position: { readonly file: string; readonly line: number } | null;
}

function isBuildMessage(error: unknown): error is BuildMessage {
  return (error as { name?: unknown } | undefined)?.name === "BuildMessage";
}

function built(error: BuildMessage, type: FaultType, file: string | null): TransformFault {
  const { position } = error;
  const place = position === null ? { file, line: null } : position;
  return plainFault(type, "SyntaxError", error.message, {
    file: place.file,
    line: place.line,
  });
}

/** An import of something that is not there: the line of the importing file that names it. */
function unresolved(fields: Record<string, unknown>): Place | null {
  const specifier = text(fields["specifier"]);
  const referrer = text(fields["referrer"]);
  if (specifier === undefined || referrer === undefined) return null;
  const line = lineOf(referrer, (source) => /["'`]/.test(source) && source.includes(specifier));
  return line === null ? null : { file: referrer, line };
}

function missingExport(name: string, message: string, file: string | null): Place | null {
  const wanted = /^Export named '([^']+)' not found/.exec(message)?.[1];
  if (name !== "SyntaxError" || wanted === undefined || file === null) return null;
  return {
    file,
    line: lineOf(file, (source) => source.includes("import") && source.includes(wanted)),
  };
}

/** Line of a file, from 1, or null. */
function lineOf(file: string, isIt: (source: string) => boolean): number | null {
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch {
    // Not a file of the disk, such as the host of the module graph.
    return null;
  }
  const index = source.split("\n").findIndex(isIt);
  return index === -1 ? null : index + 1;
}

/** The topmost frame that is in the transform's own file, else the topmost in any file that is not ours. */
function placeInStack(stack: string | null, file: string | null): Place | null {
  let first: Place | null = null;
  for (const frame of stack?.split("\n") ?? []) {
    const [, path, line] = /(?:\(| at )(?:file:\/\/)?(\/[^()]*):(\d+):\d+\)?$/.exec(frame) ?? [];
    if (path === undefined) continue;
    const place = { file: path, line: Number(line) };
    if (path === file) return place;
    // Where our own code passed the error on says nothing to its author.
    if (!path.startsWith(OWN_FOLDER)) first ??= place;
  }
  return first;
}

/** `name.ts:12`, for where the whole path does not fit. */
export function shortPlace(fault: TransformFault): string {
  if (fault.file === null) return "";
  const base = fault.file.slice(fault.file.lastIndexOf("/") + 1);
  return fault.line === null ? base : `${base}:${fault.line}`;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value.length > 0 ? value : undefined;
}

function cut(value: string, maxChars: number): string {
  return value.length <= maxChars ? value : `${value.slice(0, maxChars - 1)}…`;
}
