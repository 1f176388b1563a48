import { patternMatches } from "../../protocol/channel-name.ts";
import type { TransformBinding } from "../config/transforms.ts";

/** Whether a publication on one channel may make transforms emit to another. */
export type EmitRule = (from: string, to: string) => boolean;

/**
 * The rule the bindings make: a channel is allowed when some transform that the publication goes through may emit to
 * it. Workers hold each transform to its own binding; this is what holds where their code cannot be trusted to.
 */
export function createEmitRule(
  bindings: readonly Pick<TransformBinding, "channels" | "emit">[],
): EmitRule {
  const emitting = bindings.filter(({ emit }) => emit.length > 0);
  return (from, to) =>
    emitting.some(
      ({ channels, emit }) =>
        emit.some((pattern) => patternMatches(pattern, to)) &&
        channels.some((pattern) => patternMatches(pattern, from)),
    );
}
