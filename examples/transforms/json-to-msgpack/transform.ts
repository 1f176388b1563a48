import { defineTransform } from "tickwire/transform";
import { z } from "zod";

import { MESSAGES } from "./messages.ts";

const Config = z.object({
  /** Which messages are let through. */
  types: z
    .array(z.enum(["trade", "quote"]))
    .min(1)
    .default(["trade", "quote"]),
});

const MAX_SHOWN_ISSUES = 5;

/** Checks JSON messages against their schema and publishes them as msgpack, which is smaller and typed. */
export default defineTransform({
  name: "json-to-msgpack",
  version: "1.0.0",
  description: "JSON in, checked against a schema; msgpack out",
  config: Config,
  match: { minBytes: 2 },

  process(batch, { config, metrics }) {
    for (const message of batch) {
      let value: unknown;
      try {
        value = message.json();
      } catch (error) {
        message.fail(`not JSON: ${error instanceof Error ? error.message : String(error)}`);
        continue;
      }
      const result = MESSAGES.safeParse(value);
      if (!result.success) {
        metrics.count("invalid");
        message.fail(issuesText(result.error));
      } else if (!config.types.includes(result.data.type)) {
        message.drop(`type ${result.data.type}`);
      } else {
        message.replace(result.data);
        message.setHeader("content-type", "application/msgpack");
      }
    }
  },
});

/** `price: Invalid input: expected number, received string; side: …` */
function issuesText({ issues }: z.ZodError): string {
  const shown = issues.slice(0, MAX_SHOWN_ISSUES).map(({ path, message }) => {
    const where = path.map(String).join(".");
    return where === "" ? message : `${where}: ${message}`;
  });
  const more = issues.length - shown.length;
  return more > 0 ? `${shown.join("; ")}; and ${more} more` : shown.join("; ");
}
