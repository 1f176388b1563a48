/** `tickwire/transform`: what a transform is written with. */
import type { StandardSchema } from "./standard-schema.ts";
import type { TransformDefinition } from "./transform.ts";

export { TRANSFORM_API } from "./transform.ts";
export type { OutputOf, StandardIssue, StandardResult, StandardSchema } from "./standard-schema.ts";
export type {
  ConfigOf,
  LaneState,
  Payload,
  SetupHost,
  TransformContext,
  TransformDefinition,
  TransformLimits,
  TransformLogger,
  TransformMatch,
  TransformMessage,
  TransformMetrics,
  TransformOrder,
} from "./transform.ts";

/**
 * Types a transform; a module exports what this returns as its default, or as `transform`. Nothing is checked
 * or run here: that is done when a worker loads the module.
 */
export function defineTransform<
  Schema extends StandardSchema | undefined = undefined,
  State = undefined,
  Lane = undefined,
>(definition: TransformDefinition<Schema, State, Lane>): TransformDefinition<Schema, State, Lane> {
  return definition;
}
