import { resolve } from "node:path";

import type { CasesReport } from "../boundary/worker-link.ts";
import { prepareStage } from "../runtime/load-stage.ts";
import type { PreparedStage } from "../runtime/load-stage.ts";
import { HAS_MODULE_GRAPH } from "../runtime/module-loader.ts";
import { Notes } from "../runtime/notes.ts";
import { StageError } from "../runtime/stage-error.ts";
import type { StandardSchema } from "../sdk/standard-schema.ts";
import type { TransformDefinition } from "../sdk/transform.ts";
import { HarnessError } from "./harness-error.ts";
import { caseFiles, reportOf, runCaseFiles } from "./packaged-cases.ts";

const GIVEN = "(the transform under test)";
const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;
const SETUP_TIMEOUT_MS = 10_000;

/**
 * Runs the cases of a folder, each in a state of its own.
 * @param transform path of a module, name of a package, or the definition itself
 * @param folder of `*.json` files; without any there is nothing to report
 * @throws HarnessError when the transform cannot be loaded
 */
export async function runCases<Schema extends StandardSchema | undefined, State, Lane>(
  transform: string | TransformDefinition<Schema, State, Lane>,
  folder: string,
): Promise<CasesReport> {
  const use = typeof transform === "string" ? transform : GIVEN;
  let prepared: PreparedStage;
  try {
    prepared = await prepareStage(
      { use, directory: process.cwd(), config: undefined, emit: [] },
      {
        index: 0,
        worker: 0,
        maxPayloadBytes: MAX_PAYLOAD_BYTES,
        setupTimeoutMs: SETUP_TIMEOUT_MS,
        notes: new Notes(),
        useGraph: HAS_MODULE_GRAPH,
        given: new Map(use === GIVEN ? [[GIVEN, transform]] : []),
      },
    );
  } catch (error) {
    if (!(error instanceof StageError)) throw error;
    throw new HarnessError(error.message, error.fault);
  }
  try {
    return reportOf(await runCaseFiles(prepared.options, await caseFiles(resolve(folder))));
  } finally {
    prepared.options.module.dispose();
  }
}
