import type { Version } from "./binding.ts";
import type { HostContext } from "./context.ts";
import type { TransformOutcome } from "./host-types.ts";
import { openSet } from "./open-set.ts";
import { Pipeline } from "./pipeline.ts";
import { Route } from "./route.ts";

/**
 * Runs payloads through one version on a worker that exists just for this: whatever they do to it, nothing that serves
 * is touched, and no lane's state either.
 * @throws TransformError load
 */
export async function dryRun(
  version: Version,
  channel: string,
  payloads: readonly Uint8Array[],
  context: HostContext,
): Promise<readonly TransformOutcome[]> {
  const outcomes: TransformOutcome[] = [];
  const sink = {
    settled(ticket: unknown, outcome: TransformOutcome): void {
      outcomes[ticket as number] = ownBytes(outcome);
    },
  };
  const pipeline = new Pipeline([version.bound], [version], { ...context, sink });
  const set = await openSet([version], { ...context, sink }, pipeline, 1);
  pipeline.serve(set, null);
  try {
    const route = new Route(pipeline, channel);
    for (const [index, bytes] of payloads.entries()) {
      const error = route.submit(bytes, 0, bytes.length, null, null, index);
      if (error !== null) outcomes[index] = { type: "reject", error, timing: null };
    }
    await pipeline.settled();
  } finally {
    await set.tearDown();
  }
  return outcomes;
}

/** Outcomes outlive the batch here, and so must their bytes. */
function ownBytes(outcome: TransformOutcome): TransformOutcome {
  if (outcome.type !== "publish") return outcome;
  const bytes = outcome.bytes.slice(outcome.start, outcome.end);
  return { ...outcome, bytes, start: 0, end: bytes.length };
}
