import { TransformLoadError } from "../boundary/fault.ts";
import type { StandardIssue, StandardSchema } from "../sdk/standard-schema.ts";

const MAX_ISSUES = 20;
const MAX_ISSUE_CHARS = 500;

/**
 * What the schema makes of a binding's configuration.
 * @throws TransformLoadError `config`, with the path of each issue
 */
export async function checkConfig(
  schema: StandardSchema | undefined,
  config: unknown,
): Promise<unknown> {
  if (schema === undefined) {
    const isEmpty =
      typeof config === "object" && config !== null && Object.keys(config).length === 0;
    if (config === undefined || config === null || isEmpty) return undefined;
    throw new TransformLoadError("config", "the transform takes no configuration");
  }
  // A binding without a configuration asks for all the defaults.
  const result = await schema["~standard"].validate(config ?? {});
  if (result.issues === undefined) return result.value;
  const issues = result.issues.slice(0, MAX_ISSUES).map((issue) => ({
    path: pathText(issue),
    message: issue.message.slice(0, MAX_ISSUE_CHARS),
  }));
  const text = issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  throw new TransformLoadError("config", `the configuration is refused: ${text.join("; ")}`, {
    issues,
  });
}

/** Such as `rules[0].name`. */
function pathText(issue: StandardIssue): string {
  let text = "";
  for (const part of issue.path ?? []) {
    const key = typeof part === "object" ? part.key : part;
    if (typeof key === "number") text += `[${key}]`;
    else text += text === "" ? String(key) : `.${String(key)}`;
  }
  return text.slice(0, MAX_ISSUE_CHARS);
}

/** The JSON Schema of a configuration, where the schema itself can tell it; null otherwise. */
export function jsonSchemaOf(schema: StandardSchema | undefined): unknown {
  if (schema === undefined) return null;
  const offered = schema as {
    readonly "~standard": { readonly jsonSchema?: { readonly input?: unknown } };
    readonly toJSONSchema?: unknown;
    readonly toJsonSchema?: unknown;
  };
  const { jsonSchema } = offered["~standard"];
  const ways: (() => unknown)[] = [];
  const { toJSONSchema, toJsonSchema } = offered;
  const input = jsonSchema?.input;
  if (typeof input === "function") {
    ways.push(() => input.call(jsonSchema, { target: "draft-2020-12" }) as unknown);
  }
  if (typeof toJSONSchema === "function") {
    ways.push(() => toJSONSchema.call(schema, { io: "input" }) as unknown);
  }
  if (typeof toJsonSchema === "function") ways.push(() => toJsonSchema.call(schema) as unknown);
  for (const way of ways) {
    const found = plainJson(way);
    if (found !== null) return found;
  }
  return null;
}

/** Through JSON text, so that what crosses is plain data; null when it cannot be had. */
function plainJson(make: () => unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(make())) as unknown;
  } catch {
    // A library refuses what JSON Schema cannot say, such as a transform inside of the schema.
    return null;
  }
}
