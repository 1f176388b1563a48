import type { TransformManifest } from "../boundary/worker-link.ts";
import { TRANSFORM_API } from "../sdk/transform.ts";
import { jsonSchemaOf } from "./config-schema.ts";
import { LIMITS } from "./definition.ts";
import type { AnyDefinition } from "./definition.ts";

/** What a checked definition says, as data with its defaults filled in. */
export function manifestOf(
  definition: AnyDefinition,
  file: string,
  integrity: string,
): TransformManifest {
  const { match, limits, lane } = definition;
  const limit = (name: keyof typeof LIMITS): number => limits?.[name] ?? LIMITS[name][0];
  return {
    api: definition.api ?? TRANSFORM_API,
    name: definition.name,
    version: definition.version,
    description: definition.description ?? null,
    match: {
      channels: match?.channels === undefined ? null : [...match.channels],
      minBytes: match?.minBytes ?? 0,
      maxBytes: match?.maxBytes ?? Infinity,
    },
    order: definition.order ?? "channel",
    hasLaneState: lane !== undefined,
    hasSnapshot: lane?.snapshot !== undefined,
    lookBack: lane?.lookBack ?? 0,
    isAsync: definition.async ?? false,
    failClosed: definition.failClosed ?? false,
    limits: {
      batch: limit("batch"),
      batchBytes: limit("batchBytes"),
      timeoutMs: limit("timeoutMs"),
      heapMb: limit("heapMb"),
      maxEmissions: limit("maxEmissions"),
      laneQueue: limit("laneQueue"),
    },
    configSchema: jsonSchemaOf(definition.config),
    file,
    integrity,
  };
}
