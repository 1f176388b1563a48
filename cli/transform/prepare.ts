import { prepareStage } from "../../workers/runtime/load-stage.ts";
import type { PreparedStage } from "../../workers/runtime/load-stage.ts";
import { HAS_MODULE_GRAPH } from "../../workers/runtime/module-loader.ts";
import { Notes } from "../../workers/runtime/notes.ts";
import type { Target } from "./target.ts";

const LOAD_MS = 10_000;

/**
 * Loads and checks the module of a transform, here. Nothing is set up, so no configuration is needed.
 * @throws StageError with the fault
 */
export async function prepareHere({
  use,
  directory,
}: Pick<Target, "use" | "directory">): Promise<PreparedStage["options"]> {
  const { options } = await prepareStage(
    { use, directory, config: null, emit: [] },
    {
      index: 0,
      worker: 0,
      maxPayloadBytes: 0,
      setupTimeoutMs: LOAD_MS,
      notes: new Notes(),
      useGraph: HAS_MODULE_GRAPH,
      given: new Map(),
    },
  );
  return options;
}
