import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import { CliError } from "../errors.ts";

/** A transform on this machine. */
export interface Target {
  /** As a binding's `use`: an absolute path, or the name of a package. */
  readonly use: string;
  /** Folder that packages are found from. */
  readonly directory: string;
  /** Folder of the module; null for a package, which is not for its user to test. */
  readonly folder: string | null;
}

/** Names of a module that is found without a package.json that names one. */
const MODULES = ["transform.ts", "transform.js", "index.ts", "index.js"];

/**
 * What a `[path]` on the command line means: a module, a folder with one, or a package.
 * @throws CliError
 */
export function findTarget(text: string): Target {
  const directory = process.cwd();
  const path = resolve(text);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    if (isPackageName(text)) return { use: text, directory, folder: null };
    throw new CliError(`there is no file or folder ${text}`);
  }
  if (!found.isDirectory()) return { use: path, directory, folder: dirname(path) };
  if (namesTransform(path)) return { use: path, directory, folder: path };
  const module = MODULES.find((name) => existsSync(join(path, name)));
  if (module !== undefined) return { use: join(path, module), directory, folder: path };
  throw new CliError(
    `${text === "." ? "this folder" : text} has no transform: neither ${MODULES.join(", ")}, nor a package.json with "tickwire": { "transform": … }. \`tickwire transform create\` writes one.`,
  );
}

function isPackageName(text: string): boolean {
  return /^(@[a-z0-9-][a-z0-9-._]*\/)?[a-z0-9-][a-z0-9-._]*$/.test(text);
}

function namesTransform(folder: string): boolean {
  const path = join(folder, "package.json");
  if (!existsSync(path)) return false;
  try {
    const { tickwire } = JSON.parse(readFileSync(path, "utf8")) as { tickwire?: unknown };
    return typeof tickwire === "object" && tickwire !== null;
  } catch (error) {
    throw new CliError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
