import { realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, sep } from "node:path";

import { faultOf, TransformLoadError } from "../boundary/fault.ts";
import type {
  CollectReply,
  PinnedCode,
  PinnedImport,
  PinnedSource,
} from "../boundary/pinned-code.ts";
import type { StageRequest } from "../boundary/worker-link.ts";
import { importsOf, isCode, isNatural, sourceOf } from "./module-text.ts";
import type { ModuleUse } from "./module-text.ts";
import { resolveModule } from "./resolve-module.ts";

/** What a transform of its own code has at most; it crosses to every worker that is started. */
const MAX_FILES = 2000;
const MAX_BYTES = 32 * 1024 * 1024;

const PACKAGES = `${sep}node_modules${sep}`;
/** The broker's own, in whatever folder: workers/runtime/sdk-module.ts. */
const OWN_PACKAGE = /^tickwire(\/|$)/;

/** Reads the code of some stages. Never rejects. */
export async function collectCodes(stages: readonly StageRequest[]): Promise<CollectReply> {
  const codes: PinnedCode[] = [];
  for (const [stage, { use, directory }] of stages.entries()) {
    try {
      codes.push(await collectCode(use, directory));
    } catch (error) {
      return { ok: false, stage, fault: faultOf(error, "load", null) };
    }
  }
  return { ok: true, codes };
}

interface Found extends ModuleUse {
  readonly text: string;
  readonly names: Set<string>;
  isRequired: boolean;
}

/**
 * Reads a transform's module and all of its own that this leads to, also what is imported later. Packages that it only
 * uses are not its own, and neither is what it reads by itself.
 * @throws TransformLoadError
 */
async function collectCode(use: string, directory: string): Promise<PinnedCode> {
  const { file, root } = resolveModule(use, directory);
  const isOwn = ownFiles(root);
  const bytes = await readFile(file);
  const integrity = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  const found = new Map<string, Found>([[file, unused(decoded(bytes))]]);
  const imports: PinnedImport[] = [];
  /** Loaded as something else than what their names say: they stay what the disk has. */
  const left = new Set<string>();
  let size = bytes.length;
  // What is found on the way is walked as well.
  for (const [from, { text }] of found) {
    for (const { specifier, names, type, isRequired } of importsOf(from, text)) {
      const to = OWN_PACKAGE.test(specifier) ? null : resolved(specifier, from);
      if (to === null || !isCode(to) || !isOwn(to)) continue;
      const known = found.get(to) ?? (await read(to));
      if (known === null) continue;
      imports.push({ from, specifier, to });
      if (!isNatural(to, type)) left.add(to);
      for (const name of names) known.names.add(name);
      known.isRequired ||= isRequired;
      if (found.has(to)) continue;
      found.set(to, known);
      size += known.text.length;
      if (found.size > MAX_FILES || size > MAX_BYTES) throw tooLarge(file);
    }
  }
  const sources: PinnedSource[] = [];
  for (const [path, one] of found) {
    const source = left.has(path) ? null : sourceOf(path, one.text, one);
    if (source !== null) sources.push(source);
  }
  const paths = new Set(sources.map(({ path }) => path));
  return { file, root, integrity, sources, imports: imports.filter(({ to }) => paths.has(to)) };
}

/** Whether a file is the transform's own: not of a package, unless the transform itself is in one. */
function ownFiles(root: string): (path: string) => boolean {
  const own = `${realpathSync(root)}${sep}`;
  return (path) => !(path.startsWith(own) ? path.slice(own.length - 1) : path).includes(PACKAGES);
}

/** Null for what cannot be read: loading it says so, if it is ever loaded. */
async function read(path: string): Promise<Found | null> {
  try {
    return unused(decoded(await readFile(path)));
  } catch {
    return null;
  }
}

/** Null for what is no file, and for what is not there: loading it says so. */
function resolved(specifier: string, from: string): string | null {
  try {
    const path = Bun.resolveSync(specifier, dirname(from));
    return isAbsolute(path) ? path : null;
  } catch {
    return null;
  }
}

function unused(text: string): Found {
  return { text, names: new Set(), isRequired: false };
}

/** As Bun reads code: without a byte order mark. */
function decoded(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function tooLarge(file: string): TransformLoadError {
  const mib = MAX_BYTES / 1024 / 1024;
  return new TransformLoadError(
    "load",
    `it imports over ${MAX_FILES} files or ${mib} MiB of its own: read data in setup instead`,
    { file },
  );
}
