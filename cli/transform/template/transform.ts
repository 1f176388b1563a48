import { defineTransform } from "tickwire/transform";
import type { StandardIssue, StandardSchema, TransformMessage } from "tickwire/transform";

interface Config {
  /** Field of the payload that is looked at. */
  readonly field: string;
  /** Publications with less than this in it are dropped. */
  readonly min: number;
}

/**
 * Checks what a binding configures. Any Standard Schema will do, such as one of zod, valibot or arktype; this one
 * needs no package.
 */
const config: StandardSchema<unknown, Config> = {
  "~standard": {
    version: 1,
    vendor: "my-filter",
    validate(value) {
      const { field = "price", min = 0 } = (value ?? {}) as { field?: unknown; min?: unknown };
      const issues: StandardIssue[] = [];
      if (typeof field !== "string") issues.push({ path: ["field"], message: "must be text" });
      if (typeof min !== "number") issues.push({ path: ["min"], message: "must be a number" });
      return issues.length > 0 ? { issues } : { value: { field, min } as Config };
    },
  },
};

/** Drops publications whose number is too small, and marks the others. */
export default defineTransform({
  name: "my-filter",
  version: "0.1.0",
  description: "Drops publications below a minimum",
  config,

  process(batch, context) {
    const { field, min } = context.config;
    for (const message of batch) {
      const number = numberIn(message, field);
      // What fails is left to the binding: its onError says whether it is refused, dropped, passed or set aside.
      if (number === null) message.fail(`${field} is no number`);
      else if (number < min) message.drop("below the minimum");
      else message.setHeader("checked-by", "my-filter");
    }
  },
});

/** A field of a JSON or msgpack payload; null when there is no number in it. */
function numberIn(message: TransformMessage, field: string): number | null {
  try {
    const value = message.decode() as Record<string, unknown> | null;
    const number = value?.[field];
    return typeof number === "number" ? number : null;
  } catch {
    return null;
  }
}
