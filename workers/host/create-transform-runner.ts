import type { TransformRunnerOptions } from "./host-options.ts";
import { TransformHostRunner } from "./runner.ts";

/**
 * The way in. The rooms of this folder, from the outside in:
 *
 *   runner        routes, start and stop; deployments and rollout: versions, canaries and shadows
 *   pipelines     bindings that share channels; intake and lane-book: what waits, in lanes
 *   pipeline      one of them: settlement of verdicts, policy of failures, counters
 *   worker-set    the workers of one version: feeder (batches to workers), breaker and probe, isolate (of faults)
 *   crew, slot    workers that are started, lost, started again; watchdog: those that hang or grow
 *   link          one worker, in a thread or in a process
 *
 * A runner for these bindings, not started: it fits the `TransformRunner` of broker/ports.ts.
 * @throws TransformError invalid: a binding that cannot be
 */
export function createTransformRunner(options: TransformRunnerOptions): TransformHostRunner {
  return new TransformHostRunner(options);
}
