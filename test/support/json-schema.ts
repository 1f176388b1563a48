type Json = Readonly<Record<string, unknown>>;

const KNOWN = new Set([
  "type",
  "const",
  "enum",
  "oneOf",
  "$ref",
  "description",
  "default",
  "properties",
  "required",
  "additionalProperties",
  "propertyNames",
  "maxProperties",
  "items",
  "minItems",
  "maxItems",
  "minLength",
  "maxLength",
  "contentEncoding",
  "minimum",
  "maximum",
]);

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === "string",
  integer: (value) => Number.isInteger(value),
  number: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
  array: (value) => Array.isArray(value),
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
};

/**
 * What is wrong with a value by a JSON Schema, as texts with paths. Knows the words the server API uses, and
 * throws for any other, so that no rule is passed over.
 */
export function schemaProblems(schema: Json, value: unknown, root: Json, path = "$"): string[] {
  for (const word of Object.keys(schema)) {
    if (!KNOWN.has(word))
      throw new Error(`${path}: the schema says ${word}, which is not known here`);
  }
  const reference = schema["$ref"];
  if (typeof reference === "string")
    return schemaProblems(resolve(reference, root), value, root, path);
  const alternatives = schema["oneOf"] as Json[] | undefined;
  if (alternatives !== undefined) {
    const fitting = alternatives.filter(
      (one) => schemaProblems(one, value, root, path).length === 0,
    );
    return fitting.length === 1 ? [] : [`${path}: fits ${fitting.length} alternatives`];
  }
  if ("const" in schema && schema["const"] !== value)
    return [`${path}: is not ${String(schema["const"])}`];
  const choices = schema["enum"] as unknown[] | undefined;
  if (choices !== undefined && !choices.includes(value))
    return [`${path}: is not one of the values`];
  const types = [schema["type"] ?? []].flat() as string[];
  if (types.length > 0 && !types.some((type) => TYPES[type]?.(value) === true))
    return [`${path}: is not of type ${types.join(" or ")}`];
  return [...boundProblems(schema, value, path), ...partProblems(schema, value, root, path)];
}

function resolve(reference: string, root: Json): Json {
  let at: unknown = root;
  for (const name of reference.replace(/^#\//, "").split("/")) at = (at as Json)[name];
  if (at === undefined) throw new Error(`${reference} leads nowhere`);
  return at as Json;
}

function boundProblems(schema: Json, value: unknown, path: string): string[] {
  const size =
    typeof value === "string" || Array.isArray(value)
      ? value.length
      : typeof value === "number"
        ? value
        : typeof value === "object" && value !== null
          ? Object.keys(value).length
          : 0;
  const kind =
    typeof value === "string"
      ? "Length"
      : Array.isArray(value)
        ? "Items"
        : typeof value === "number"
          ? "imum"
          : "Properties";
  const least = schema[`min${kind}`];
  const most = schema[`max${kind}`];
  if (typeof least === "number" && size < least) return [`${path}: is below ${least}`];
  if (typeof most === "number" && size > most) return [`${path}: is above ${most}`];
  return [];
}

function partProblems(schema: Json, value: unknown, root: Json, path: string): string[] {
  if (Array.isArray(value)) {
    const items = (schema["items"] ?? {}) as Json;
    return value.flatMap((item, i) => schemaProblems(items, item, root, `${path}[${i}]`));
  }
  if (typeof value !== "object" || value === null) return [];
  const properties = (schema["properties"] ?? {}) as Readonly<Record<string, Json>>;
  const rest = schema["additionalProperties"];
  const problems = ((schema["required"] ?? []) as string[])
    .filter((name) => !Object.hasOwn(value, name))
    .map((name) => `${path}: lacks ${name}`);
  for (const [name, item] of Object.entries(value)) {
    const own = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (own !== undefined) problems.push(...schemaProblems(own, item, root, `${path}.${name}`));
    else if (rest === false) problems.push(`${path}: has ${name}, which is not described`);
    else if (typeof rest === "object" && rest !== null)
      problems.push(...schemaProblems(rest as Json, item, root, `${path}.${name}`));
  }
  return problems;
}
