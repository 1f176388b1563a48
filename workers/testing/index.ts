/** `tickwire/transform/testing`: what a transform is tested with. */
export type { CaseResult, CasesReport, TransformManifest } from "../boundary/worker-link.ts";
export { CaseError, parseCases } from "./case-file.ts";
export type { TransformCase } from "./case-file.ts";
export type { Outcome, Output, TestEmission } from "./crossing.ts";
export type { FuzzOptions, FuzzProblem, FuzzReport } from "./fuzz.ts";
export { harness } from "./harness.ts";
export type { Harness, HarnessOptions, HarnessResult } from "./harness.ts";
export { HarnessError } from "./harness-error.ts";
export { message } from "./message.ts";
export type { MessageOptions, TestMessage } from "./message.ts";
export { runCases } from "./run-cases.ts";
