import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { faultOf } from "../boundary/fault.ts";
import type { CaseResult, CasesReport } from "../boundary/worker-link.ts";
import { replayInto } from "../runtime/lane-moves.ts";
import { Notes } from "../runtime/notes.ts";
import { Pipeline } from "../runtime/pipeline.ts";
import { Progress } from "../runtime/progress.ts";
import { StageError } from "../runtime/stage-error.ts";
import { Stage } from "../runtime/stage.ts";
import type { StageOptions } from "../runtime/stage.ts";
import { CaseError, parseCases } from "./case-file.ts";
import type { TransformCase } from "./case-file.ts";
import { emissionsDifference, MAX_LINES, outcomeDifference } from "./difference.ts";
import { sendMessages } from "./send-batch.ts";

const CASES_FOLDER = "cases";
const MAX_FILES = 200;
const MAX_FILE_BYTES = 4 * 1024 * 1024;

export function reportOf(cases: readonly CaseResult[]): CasesReport {
  const passed = cases.filter((result) => result.passed).length;
  return { passed, failed: cases.length - passed, cases };
}

/** Runs the cases in the folder `cases` beside a transform's module, or else of its package; none is fine. */
export async function runPackagedCases(options: StageOptions, root: string): Promise<CaseResult[]> {
  const { file } = options.manifest;
  const folders = new Set([
    join(file === "" ? root : dirname(file), CASES_FOLDER),
    join(root, CASES_FOLDER),
  ]);
  for (const folder of folders) {
    const files = await caseFiles(folder);
    if (files.length > 0) return runCaseFiles(options, files);
  }
  return [];
}

/** Paths of the case files of a folder, in the order of their names; none when there is no such folder. */
export async function caseFiles(folder: string): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return [];
    throw error;
  }
  const files = names.filter((name) => name.endsWith(".json")).toSorted();
  if (files.length > MAX_FILES) throw new CaseError(`${folder}: over ${MAX_FILES} files of cases`);
  return files.map((name) => join(folder, name));
}

/** Runs the cases of files; a file that cannot be read is a case that has failed. */
export async function runCaseFiles(
  options: StageOptions,
  files: readonly string[],
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const file of files) {
    let cases: TransformCase[];
    try {
      if (Bun.file(file).size > MAX_FILE_BYTES) {
        throw new CaseError(`${file}: over ${MAX_FILE_BYTES} bytes`);
      }
      cases = parseCases(await readFile(file, "utf8"), file);
    } catch (error) {
      const line = error instanceof Error ? error.message : "cannot be read";
      results.push({ stage: options.index, name: file, file, passed: false, diff: [line] });
      continue;
    }
    for (const item of cases) {
      const diff = await runCase(options, item);
      const { name } = item;
      results.push({ stage: options.index, name, file, passed: diff.length === 0, diff });
    }
  }
  return results;
}

/** Runs one case in a stage of its own; returns how what came out differs. */
async function runCase(options: StageOptions, item: TransformCase): Promise<string[]> {
  const notes = new Notes();
  const { config, emit } = item;
  // The module stays loaded for the next case, and for what is served meanwhile.
  const module = { run: options.module.run, dispose: () => undefined };
  let stage: Stage;
  try {
    stage = await Stage.create({ ...options, index: 0, config, emit, notes, module });
  } catch (error) {
    const fault =
      error instanceof StageError ? error.fault : faultOf(error, "load", options.manifest.file);
    return [`${fault.type}: ${fault.message}`];
  }
  try {
    for (const [channel, payloads] of item.history) {
      replayInto(stage, channel, channel, payloads, notes);
    }
    const pipeline = new Pipeline([stage], new Progress(null));
    const outcomes = await sendMessages(
      {
        manifests: [stage.manifest],
        maxPayloadBytes: options.maxPayloadBytes,
        run: async (slab, attempt) => {
          const { verdicts, fault } = await pipeline.run(slab, attempt);
          return { verdicts: verdicts ?? new Uint8Array(0), fault };
        },
      },
      item.messages,
    );
    const lines = outcomes.flatMap((outcome, i) => {
      const expected = item.expected[i];
      return expected === undefined ? [] : outcomeDifference(expected, outcome, `out[${i}]`);
    });
    const emissions = outcomes.flatMap((outcome) => outcome.emissions);
    return bounded([...lines, ...emissionsDifference(item.emitted, emissions)]);
  } finally {
    await stage.close();
  }
}

function bounded(lines: readonly string[]): string[] {
  const more = lines.length - MAX_LINES;
  return more <= 0 ? [...lines] : [...lines.slice(0, MAX_LINES), `... and ${more} more`];
}
