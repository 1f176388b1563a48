import type { TransformRunnerOptions } from "./host-options.ts";
import { TransformHostRunner } from "./runner.ts";

/**
 * A runner for these bindings, not started: it fits the `TransformRunner` of broker/ports.ts.
 * @throws TransformError invalid: a binding that cannot be
 */
export function createTransformRunner(options: TransformRunnerOptions): TransformHostRunner {
  return new TransformHostRunner(options);
}
