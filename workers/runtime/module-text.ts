import { extname } from "node:path";

import type { PinnedSource } from "../boundary/pinned-code.ts";

type Loader = PinnedSource["loader"];

/** As Bun loads them by itself. */
const LOADERS: Readonly<Record<string, Loader>> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".js": "jsx",
  ".jsx": "jsx",
  ".mjs": "js",
  ".cjs": "js",
};

/** What an import attribute may say of a file without making it something else. */
const NATURAL_TYPES: Readonly<Record<string, string>> = { ".json": "json", ".txt": "text" };

/** One import as a file writes it. */
export interface ModuleImport {
  readonly specifier: string;
  /** Names it takes, as far as the text tells. */
  readonly names: readonly string[];
  /** The `type` of its attributes; null without. */
  readonly type: string | null;
  readonly isRequired: boolean;
}

/** How a file is imported, by all files. */
export interface ModuleUse {
  /** Names that are taken from it. */
  readonly names: ReadonlySet<string>;
  /** Whether `require` asks for it. */
  readonly isRequired: boolean;
}

/** The imports of a file of code; none when it is not, or cannot be parsed: loading it says why. */
export function importsOf(path: string, text: string): ModuleImport[] {
  const loader = LOADERS[extname(path)];
  if (loader === undefined) return [];
  let found: Bun.Import[];
  try {
    found = new Bun.Transpiler({ loader }).scanImports(codeOf(text));
  } catch {
    return [];
  }
  const names = namesBySpecifier(text);
  const types = typesBySpecifier(text);
  const required = new Set(found.flatMap((one) => (one.kind === "require-call" ? one.path : [])));
  return [...new Set(found.map(({ path: specifier }) => specifier))].map((specifier) => ({
    specifier,
    names: names.get(specifier) ?? [],
    type: types.get(specifier) ?? null,
    isRequired: required.has(specifier),
  }));
}

/** Whether a file is code, or data that is imported as code is. */
export function isCode(path: string): boolean {
  const extension = extname(path);
  return extension in LOADERS || extension in NATURAL_TYPES;
}

/** Whether an import loads the file as what its name says. */
export function isNatural(path: string, type: string | null): boolean {
  return type === null || NATURAL_TYPES[extname(path)] === type;
}

/**
 * A file as text that Bun loads in place of it. A plugin's text is always an ES module to Bun: JSON, text and CommonJS
 * become one, which `require` gives back as what it was by the name "module.exports".
 * @returns null for what is no code and no data of these kinds
 */
export function sourceOf(path: string, text: string, use: ModuleUse): PinnedSource | null {
  const extension = extname(path);
  if (extension === ".json") return jsonSource(path, text, use);
  if (extension === ".txt")
    return { path, loader: "js", text: exporting(JSON.stringify(text), use) };
  const loader = LOADERS[extension];
  const code = codeOf(text);
  if (loader === undefined || IMPORT_EQUALS.test(code)) return null;
  return {
    path,
    loader,
    text: isCommonJs(extension, loader, code) ? commonJs(code, use.names) : code,
  };
}

/** Only files of the disk may begin with a line for the shell. */
function codeOf(text: string): string {
  return text.replace(/^#!/, "//");
}

/** TypeScript's own forms of CommonJS, which stand at the top of a file only. */
const IMPORT_EQUALS = /^\s*(?:export\s*=|(?:export\s+)?import\s+[\w$]+\s*=)/m;

/** The name for `require` is only there where it is asked for: authors who take all names would see it. */
function exporting(value: string, { isRequired }: ModuleUse): string {
  const required = isRequired ? 'export { $value as "module.exports" };\n' : "";
  return `const $value = ${value};\nexport { $value as default };\n${required}`;
}

/** Null when it is no JSON: loading the file says so as Bun does. */
function jsonSource(path: string, text: string, use: ModuleUse): PinnedSource | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
  const module = exporting(`JSON.parse(${JSON.stringify(text)})`, use);
  const names = isRecord ? Object.keys(value as object) : [];
  return { path, loader: "js", text: module + exportsOf("$value", names) };
}

function isCommonJs(extension: string, loader: Loader, text: string): boolean {
  if (extension === ".cjs" || extension === ".cts") return true;
  if (extension === ".mjs" || extension === ".mts" || !/\bexports\b/.test(text)) return false;
  try {
    const { exports, imports } = new Bun.Transpiler({ loader }).scan(text);
    return exports.length === 0 && imports.every(({ kind }) => kind !== "import-statement");
  } catch {
    return false;
  }
}

/** The lines of the file stay what they are: faults name them. */
function commonJs(text: string, imported: ReadonlySet<string>): string {
  const head =
    "const $module = { exports: {}, id: import.meta.path, filename: import.meta.path, children: [] }; " +
    "(function (exports, require, module, __filename, __dirname) { ";
  const tail =
    "\n}).call($module.exports, $module.exports, import.meta.require, $module, import.meta.path, import.meta.dir);\n" +
    "const $value = $module.exports;\n" +
    "const $default = $value?.__esModule === true && 'default' in $value ? $value.default : $value;\n" +
    'export { $default as default, $value as "module.exports" };\n';
  const names = new Set([...imported, ...ownNames(text)]);
  return head + text + tail + exportsOf("$value", [...names]);
}

/** Names that CommonJS gives out, as far as the text tells; too many do no harm. */
function ownNames(text: string): string[] {
  const assigned = [...text.matchAll(/\bexports\.([\w$]+)\s*=/g)];
  const defined = [...text.matchAll(/defineProperty\(\s*exports\s*,\s*["']([\w$]+)["']/g)];
  const listed = [...text.matchAll(/\bmodule\.exports\s*=\s*\{([^}]*)\}/g)].flatMap(([, body]) => [
    ...(body ?? "").matchAll(/(?:^|,)\s*([\w$]+)\s*(?=[:,(]|$)/g),
  ]);
  return [...assigned, ...defined, ...listed].flatMap(([, name]) => name ?? []);
}

function exportsOf(value: string, names: readonly string[]): string {
  return names
    .filter((name) => name !== "default" && name !== "module.exports" && name.isWellFormed())
    .map((name, i) => {
      const text = JSON.stringify(name);
      return `const $${i} = ${value}?.[${text}]; export { $${i} as ${text} };\n`;
    })
    .join("");
}

function namesBySpecifier(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const imports = /\b(?:import|export)\b[^;{}"']*\{([^}]*)\}\s*from\s*(["'])(.+?)\2/g;
  for (const [, list = "", , specifier = ""] of text.matchAll(imports)) {
    const names = list.split(",").flatMap((item) => /^\s*([\w$]+)/.exec(item)?.[1] ?? []);
    found.set(specifier, [...(found.get(specifier) ?? []), ...names]);
  }
  return found;
}

function typesBySpecifier(text: string): Map<string, string> {
  const found = new Map<string, string>();
  const attributes =
    /(["'])([^"'\n]+)\1\s*(?:,\s*\{\s*)?with\s*:?\s*\{\s*["']?type["']?\s*:\s*["']([\w-]+)["']/g;
  for (const [, , specifier = "", type = ""] of text.matchAll(attributes)) {
    found.set(specifier, type);
  }
  return found;
}
