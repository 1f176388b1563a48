import type { CasesReport } from "../boundary/worker-link.ts";
import type { StageSource } from "./binding.ts";
import { TransformError } from "./host-types.ts";
import type { Pipeline } from "./pipeline.ts";

/** The pipeline's stages as they serve, with one of them in another version. */
export function sourcesWith(pipeline: Pipeline, source: StageSource): StageSource[] {
  const sources = pipeline.active?.sources ?? [];
  return sources.map((one) => (one.bound === source.bound ? source : one));
}

/** @throws TransformError load, when cases that came with the version failed */
export function checkCases(source: StageSource, stage: number, report: CasesReport): void {
  const failed = report.cases.filter((one) => one.stage === stage && !one.passed);
  const [first] = failed;
  if (first === undefined) return;
  const says = [
    `transform "${source.bound.id}": ${failed.length} of its cases failed`,
    `  ${first.file}: ${first.name}`,
    ...first.diff.map((line) => `    ${line}`),
  ];
  throw new TransformError("load", says.join("\n"));
}
