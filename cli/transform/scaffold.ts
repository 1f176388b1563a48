import { existsSync } from "node:fs";
import { lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

import manifest from "../../package.json" with { type: "json" };
import { TRANSFORM_API } from "../../workers/sdk/index.ts";
import { CliError } from "../errors.ts";

const TEMPLATE = fileURLToPath(new URL("template/", import.meta.url));
/** Where this installation of Tickwire is. */
const INSTALLATION = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");

/** Name of the transform in the template. */
const TEMPLATE_NAME = "my-filter";

/**
 * Writes a new transform into a folder, which must be empty or not there.
 * @returns the files, relative to the folder
 * @throws CliError
 */
export async function writeScaffold(folder: string, name: string): Promise<string[]> {
  if (existsSync(folder) && (await readdir(folder)).length > 0) {
    throw new CliError(`${folder} is there and not empty; nothing was written`);
  }
  const files = new Map<string, string>();
  for (const path of await templateFiles()) {
    const text = await readFile(join(TEMPLATE, path), "utf8");
    files.set(path, text.replaceAll(TEMPLATE_NAME, name));
  }
  files.set("package.json", json(packageManifest(name)));
  files.set("tsconfig.json", json(COMPILER_SETTINGS));
  files.set(".gitignore", "node_modules\n");
  for (const [path, text] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  await linkForEditor(folder);
  return [...files.keys()].toSorted();
}

async function templateFiles(): Promise<string[]> {
  const entries = await readdir(TEMPLATE, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(TEMPLATE, join(entry.parentPath, entry.name)));
}

function packageManifest(name: string): object {
  return {
    name,
    version: "0.1.0",
    type: "module",
    keywords: ["tickwire-transform"],
    files: ["transform.ts", "cases"],
    tickwire: { transform: "./transform.ts", api: TRANSFORM_API },
    // Optional: the broker brings its own, and no registry is asked for it.
    peerDependencies: { tickwire: `^${manifest.version}` },
    peerDependenciesMeta: { tickwire: { optional: true } },
  };
}

const COMPILER_SETTINGS = {
  compilerOptions: {
    target: "ESNext",
    module: "Preserve",
    moduleResolution: "bundler",
    lib: ["ESNext", "DOM", "DOM.Iterable"],
    types: ["bun-types"],
    noEmit: true,
    allowImportingTsExtensions: true,
    verbatimModuleSyntax: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
  },
};

/**
 * Editors and compilers look for types in node_modules. Links to this installation's packages are all they need; what
 * runs does not use them. Links that are there stay, and other packages of that name as well.
 */
export async function linkForEditor(folder: string): Promise<void> {
  // What is a part of this installation finds it without; a package of its own does not, wherever it lies.
  const isOurs = !relative(INSTALLATION, folder).startsWith("..");
  if (isOurs && !existsSync(join(folder, "package.json"))) return;
  const modules = join(folder, "node_modules");
  await mkdir(modules, { recursive: true });
  await link(INSTALLATION, join(modules, "tickwire"));
  const bunTypes = packageFolder("bun-types");
  if (bunTypes !== null) await link(bunTypes, join(modules, "bun-types"));
}

async function link(target: string, path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  // One that leads nowhere is of an installation that has moved.
  if (found?.isSymbolicLink() === true && !existsSync(path)) await rm(path);
  else if (found !== null) return;
  await symlink(target, path, "dir");
}

/** A package of this installation, or beside it where a package manager put them side by side. */
function packageFolder(name: string): string | null {
  const places = [join(INSTALLATION, "node_modules", name)];
  if (basename(dirname(INSTALLATION)) === "node_modules") {
    places.push(join(dirname(INSTALLATION), name));
  }
  return places.find((place) => existsSync(place)) ?? null;
}

/** Whether a text can be the name of a transform, and of a folder. */
export function isTransformName(name: string): boolean {
  return /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name) && name.length <= 64 && !name.includes(sep);
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
