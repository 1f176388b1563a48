import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { BadValue } from "./config-error.ts";
import type { RawValue } from "./config.ts";

/** Looked for in the working directory when no file is named. */
const FILE_NAMES = ["tickwire.config.ts", "tickwire.config.js", "tickwire.config.json"] as const;

export interface ConfigFile {
  /** As messages show it: relative to the working directory. */
  readonly name: string;
  /** Where it is, absolute. */
  readonly directory: string;
  readonly content: object;
}

/**
 * Reads the named config file, or the one in the working directory if there is one.
 * @throws BadValue
 */
export async function readConfigFile(
  named: RawValue | null,
  cwd: string,
): Promise<ConfigFile | null> {
  const path = named === null ? findFile(cwd) : resolve(cwd, String(named.raw));
  if (path === null) return null;
  const name = relative(cwd, path);
  if (!existsSync(path)) throw new BadValue(`there is no file ${name}`);
  const content = path.endsWith(".json")
    ? await readJson(path, name)
    : await readModule(path, name);
  if (typeof content !== "object" || content === null || Array.isArray(content))
    throw new BadValue(`${name} does not hold an object of options`);
  return { name, directory: dirname(path), content };
}

function findFile(cwd: string): string | null {
  const found = FILE_NAMES.filter((name) => existsSync(resolve(cwd, name)));
  if (found.length > 1)
    throw new BadValue(`there are ${found.join(" and ")}; keep one or name it with --config`);
  return found[0] === undefined ? null : resolve(cwd, found[0]);
}

async function readJson(path: string, name: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new BadValue(`${name} is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

async function readModule(path: string, name: string): Promise<unknown> {
  let module: { readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as typeof module;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new BadValue(`${name} cannot be loaded: ${message}`, { cause: error });
  }
  if (module.default === undefined)
    throw new BadValue(`${name} must have \`export default defineConfig({ ... })\``);
  return module.default;
}
