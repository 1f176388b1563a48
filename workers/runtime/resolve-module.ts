import { readFileSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";

import { TransformLoadError } from "../boundary/fault.ts";
import { TRANSFORM_API } from "../sdk/transform.ts";
import { OLDEST_API } from "./definition.ts";

/** Where a transform's module is, and where its package begins (the module's folder, when there is none). */
export interface ModulePlace {
  readonly file: string;
  readonly root: string;
}

/**
 * Finds a transform's module: a path from `directory`, an absolute path, or a package found from there. A folder
 * or a package may say in its package.json `"tickwire": { "transform": "./dist/index.js", "api": 1 }`.
 * @throws TransformLoadError
 */
export function resolveModule(use: string, directory: string): ModulePlace {
  if (typeof use !== "string" || use === "") {
    throw new TransformLoadError("load", "use must be a path or the name of a package");
  }
  const isPath = isAbsolute(use) || use === "." || use === ".." || /^\.\.?\//.test(use);
  const root = isPath ? resolve(directory, use) : packageFolder(use, directory);
  if (root !== null && isFolder(root)) {
    const named = namedByPackage(root);
    if (named !== null) return { file: resolveFrom(named, root, use), root };
    if (isPath) return { file: resolveFrom(root, directory, use), root };
  }
  const file = resolveFrom(isPath ? resolve(directory, use) : use, directory, use);
  return { file, root: root !== null && isFolder(root) ? root : dirname(file) };
}

function resolveFrom(specifier: string, from: string, use: string): string {
  try {
    return Bun.resolveSync(specifier, from);
  } catch {
    // Bun's error is of a kind of its own and says no more than this.
    throw new TransformLoadError("load", `cannot find "${use}" from ${from}`);
  }
}

/** The folder in some node_modules above `directory`; null when there is none. */
function packageFolder(name: string, directory: string): string | null {
  for (let at = resolve(directory); ; at = dirname(at)) {
    const folder = join(at, "node_modules", name);
    if (isFolder(folder)) return folder;
    if (at === dirname(at)) return null;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function namedByPackage(folder: string): string | null {
  const path = join(folder, "package.json");
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return null;
  let about: unknown;
  try {
    about = (JSON.parse(readFileSync(path, "utf8")) as { tickwire?: unknown } | null)?.tickwire;
  } catch (error) {
    const reason = error instanceof Error ? error.message : "not JSON";
    throw new TransformLoadError("load", `package.json cannot be read: ${reason}`, { file: path });
  }
  if (about === undefined || about === null) return null;
  const { transform, api } = about as { transform?: unknown; api?: unknown };
  if (typeof api === "number" && (api < OLDEST_API || api > TRANSFORM_API)) {
    throw new TransformLoadError(
      "load",
      `the package is for transform api ${api}; this broker takes ${OLDEST_API} to ${TRANSFORM_API}`,
      { file: path },
    );
  }
  if (typeof transform !== "string" || isAbsolute(transform)) {
    throw new TransformLoadError(
      "load",
      'package.json: "tickwire" must have "transform", the path of a module in the package',
      { file: path },
    );
  }
  return resolve(folder, transform);
}
