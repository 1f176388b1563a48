import { readFile } from "node:fs/promises";

import { faultOf, TransformLoadError } from "../boundary/fault.ts";
import type { StageRequest } from "../boundary/worker-link.ts";
import { checkDefinition } from "./definition.ts";
import { manifestOf } from "./manifest.ts";
import { loadModule } from "./module-loader.ts";
import type { LoadedModule } from "./module-loader.ts";
import type { Notes } from "./notes.ts";
import { pinModules } from "./pinned-modules.ts";
import { resolveModule } from "./resolve-module.ts";
import { StageError } from "./stage-error.ts";
import { Stage } from "./stage.ts";
import type { StageOptions } from "./stage.ts";

export interface LoadOptions {
  readonly index: number;
  readonly worker: number;
  readonly maxPayloadBytes: number;
  readonly setupTimeoutMs: number;
  readonly notes: Notes;
  /** Whether loads are kept apart by `Bun.ModuleGraph`. */
  readonly useGraph: boolean;
  /** Transforms that are there already, by what `use` says of them: for the test kit. */
  readonly given: ReadonlyMap<string, unknown>;
}

/** A transform that is loaded and checked, and not set up. */
export interface PreparedStage {
  /** What a stage of it is made from; its module is disposed of with the stage, or by whoever makes none. */
  readonly options: StageOptions;
  /** Where the package begins. */
  readonly root: string;
}

export interface LoadedStage extends PreparedStage {
  readonly stage: Stage;
}

/**
 * Finds, loads, checks and sets up one transform.
 * @throws StageError with the fault, whatever it is
 */
export async function loadStage(request: StageRequest, options: LoadOptions): Promise<LoadedStage> {
  const prepared = await prepareStage(request, options);
  try {
    return { ...prepared, stage: await Stage.create(prepared.options) };
  } catch (error) {
    prepared.options.module.dispose();
    throw error;
  }
}

/**
 * Finds, loads and checks one transform.
 * @throws StageError with the fault, whatever it is
 */
export async function prepareStage(
  request: StageRequest,
  options: LoadOptions,
): Promise<PreparedStage> {
  let file: string | null = null;
  let module: LoadedModule | null = null;
  try {
    if (options.given.has(request.use)) return givenStage(request, options);
    const { code } = request;
    const place = code ?? resolveModule(request.use, request.directory);
    file = place.file;
    const { index, notes } = options;
    const onLateError = (error: unknown): void =>
      notes.fault(index, faultOf(error, "crash", place.file));
    if (code !== undefined) pinModules(code);
    const integrity = code?.integrity ?? (await integrityOf(file));
    module = await loadModule(file, onLateError, options.setupTimeoutMs, options.useGraph);
    const definition = checkDefinition(exportedTransform(module));
    const manifest = manifestOf(definition, file, integrity);
    const { config, emit } = request;
    return {
      options: { ...options, definition, manifest, module, config, emit },
      root: place.root,
    };
  } catch (error) {
    module?.dispose();
    throw new StageError(faultOf(error, "load", file));
  }
}

async function integrityOf(file: string): Promise<string> {
  return new Bun.CryptoHasher("sha256").update(await readFile(file)).digest("hex");
}

/** A definition that is at hand, without a module. */
function givenStage(request: StageRequest, options: LoadOptions): PreparedStage {
  const definition = checkDefinition(options.given.get(request.use));
  const manifest = manifestOf(definition, "", "");
  const module: StageOptions["module"] = { run: (call) => call(), dispose: () => undefined };
  const { config, emit, directory } = request;
  return { options: { ...options, definition, manifest, module, config, emit }, root: directory };
}

function exportedTransform({ exports }: LoadedModule): unknown {
  if ("default" in exports) return exports["default"];
  if ("transform" in exports) return exports["transform"];
  const names = Object.keys(exports);
  throw new TransformLoadError(
    "load",
    "the module must export a transform, as default or as `transform`" +
      (names.length === 0
        ? "; it exports nothing"
        : `; it exports ${names.slice(0, 10).join(", ")}`),
  );
}
