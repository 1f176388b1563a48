import { createRequire } from "node:module";

import { provideSdk } from "./sdk-module.ts";
import { within } from "./within.ts";

/** One load of a module and of all it imports, apart from every other load of them. */
export interface LoadedModule {
  readonly exports: Readonly<Record<string, unknown>>;
  /** Calls into the module's code: what that opens belongs to this load. */
  run<Result>(call: () => Result): Result;
  /** Closes what its code has opened. */
  dispose(): void;
}

export type LateErrorHandler = (error: unknown) => void;

/** Whether loads can be kept apart by the runtime; otherwise the cache is emptied by hand. */
export const HAS_MODULE_GRAPH =
  typeof (Bun as { ModuleGraph?: unknown }).ModuleGraph === "function";

/**
 * Loads a module anew.
 * @param onLateError exceptions that nobody waits for; they are the process's own without a module graph
 * @param timeoutMs for a top-level await that never ends
 * @throws whatever the module throws while it is loaded
 */
export async function loadModule(
  file: string,
  onLateError: LateErrorHandler,
  timeoutMs: number,
  useGraph: boolean = HAS_MODULE_GRAPH,
): Promise<LoadedModule> {
  provideSdk();
  return useGraph ? loadIntoGraph(file, onLateError, timeoutMs) : loadIntoCache(file, timeoutMs);
}

async function loadIntoGraph(
  file: string,
  onLateError: LateErrorHandler,
  timeoutMs: number,
): Promise<LoadedModule> {
  const graph = new Bun.ModuleGraph({ onError: (error) => onLateError(error) });
  try {
    const exports = await within(
      timeoutMs,
      graph.import<Record<string, unknown>>(file),
      "loading the module",
    );
    return {
      exports,
      run: (call) => graph.run(call),
      dispose: () => graph.dispose(),
    };
  } catch (error) {
    graph.dispose();
    throw error;
  }
}

async function loadIntoCache(file: string, timeoutMs: number): Promise<LoadedModule> {
  const { cache } = createRequire(import.meta.url);
  const before = new Set(Object.keys(cache));
  const forget = (): void => {
    for (const path of Object.keys(cache)) if (!before.has(path)) delete cache[path];
  };
  try {
    const imported = import(file) as Promise<Record<string, unknown>>;
    const exports = await within(timeoutMs, imported, "loading the module");
    return { exports, run: (call) => call(), dispose: forget };
  } catch (error) {
    forget();
    throw error;
  }
}
