import { plugin } from "bun";

import type { PinnedCode, PinnedSource } from "../boundary/pinned-code.ts";

/** A transform's code as this thread loads it. Bounded by the stages of a pipeline: a worker loads one. */
interface Pinned {
  readonly sources: ReadonlyMap<string, PinnedSource>;
  /** By what imports and how. */
  readonly imports: ReadonlyMap<string, string>;
}

/** The newest first: stages that share a file get, one after the other, what their own version has of it. */
let pinned: readonly Pinned[] = [];
/** Paths that a plugin answers for; there is no way to take one away again. */
const answered = new Set<string>();
let isResolving = false;

/**
 * Has modules of this thread that are loaded from now on be these, under their own paths: what they know of where
 * they are, packages they import and the places of faults stay as they are on the disk.
 */
export function pinModules(code: PinnedCode): void {
  const sources = new Map(code.sources.map((source) => [source.path, source]));
  const imports = new Map(
    code.imports.map(({ from, specifier, to }) => [key(from, specifier), to]),
  );
  pinned = [{ sources, imports }, ...pinned];
  resolvePinned();
  const paths = [...sources.keys()].filter((path) => !answered.has(path));
  if (paths.length === 0) return;
  for (const path of paths) answered.add(path);
  plugin({
    name: "tickwire/pinned",
    setup: (build) => {
      // A plugin must answer for all that its filter takes.
      const filter = new RegExp(`^(?:${paths.map((path) => RegExp.escape(path)).join("|")})$`);
      build.onLoad({ filter }, ({ path }) => {
        const { text, loader } = sourceOf(path);
        return { contents: text, loader };
      });
    },
  });
}

/** Forgets what was pinned; no module of it may be loaded any more. */
export function unpinModules(): void {
  pinned = [];
}

/** What is not there any more is found by this alone. */
function resolvePinned(): void {
  if (isResolving) return;
  isResolving = true;
  plugin({
    name: "tickwire/pinned-imports",
    setup: (build) => {
      build.onResolve({ filter: /^/ }, ({ path, importer }) => {
        for (const { sources, imports } of pinned) {
          const to = sources.has(path) ? path : imports.get(key(importer, path));
          if (to !== undefined) return { path: to };
        }
        return undefined;
      });
    },
  });
}

function sourceOf(path: string): PinnedSource {
  for (const { sources } of pinned) {
    const source = sources.get(path);
    if (source !== undefined) return source;
  }
  throw new Error(`${path} is not of a transform that is loaded`);
}

function key(from: string, specifier: string): string {
  return `${from}\0${specifier}`;
}
