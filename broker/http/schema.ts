import { isChannelName, isChannelPattern } from "../../protocol/channel-name.ts";
import { Code } from "../../protocol/codes.ts";
import { MAX_CHANNEL_BYTES } from "../../protocol/limits.ts";
import { badInput, HttpError } from "./http-error.ts";

/** A JSON Schema, as OpenAPI 3.1 takes it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The shape of a value that comes from outside: one description both to check it with and to publish in
 * the OpenAPI document.
 */
export interface Schema<Value> {
  readonly json: JsonSchema;
  readonly isOptional: boolean;
  /** `name` is for messages. @throws HttpError bad_field or bad_channel */
  parse(value: unknown, name: string): Value;
}

export type ValueOf<S> = S extends Schema<infer Value> ? Value : never;

export function text(maxBytes: number, description: string): Schema<string> {
  return {
    json: { type: "string", minLength: 1, maxLength: maxBytes, description },
    isOptional: false,
    parse: (value, name) => {
      if (typeof value !== "string" || value === "" || Buffer.byteLength(value) > maxBytes)
        throw badInput(`${name} must be a text of 1 to ${maxBytes} bytes`);
      return value;
    },
  };
}

export function channelName(description: string): Schema<string> {
  return {
    json: { type: "string", minLength: 1, maxLength: MAX_CHANNEL_BYTES, description },
    isOptional: false,
    parse: (value, name) => {
      if (typeof value === "string" && isChannelName(value)) return value;
      throw new HttpError(Code.badChannel, `${name} is not a valid channel name`);
    },
  };
}

export function channelPattern(description: string): Schema<string> {
  return {
    json: { type: "string", minLength: 1, maxLength: MAX_CHANNEL_BYTES, description },
    isOptional: false,
    parse: (value, name) => {
      if (typeof value === "string" && isChannelPattern(value)) return value;
      throw new HttpError(Code.badChannel, `${name} is not a valid channel name or pattern`);
    },
  };
}

/** A whole number; digits in a query, a number in a body. */
export function integer(min: number, max: number, description: string): Schema<number> {
  return {
    json: { type: "integer", minimum: min, maximum: max, description },
    isOptional: false,
    parse: (value, name) => {
      // Digits only, and few enough to stay exact: Number would also take "", "1e3" and "0x10".
      const isDigits = typeof value === "string" && /^\d{1,16}$/.test(value);
      const number = isDigits ? Number(value) : value;
      if (!Number.isSafeInteger(number) || (number as number) < min || (number as number) > max)
        throw badInput(`${name} must be a whole number from ${min} to ${max}`);
      return number as number;
    },
  };
}

/** Any number, in a body. */
export function decimal(description: string): Schema<number> {
  return {
    json: { type: "number", description },
    isOptional: false,
    parse: (value, name) => {
      if (typeof value !== "number") throw badInput(`${name} must be a number`);
      return value;
    },
  };
}

/** Anything JSON can hold, null included; undefined when left out. */
export function anything(description: string): Schema<unknown> {
  return { json: { description }, isOptional: true, parse: (value) => value };
}

/** Texts by name, such as headers. */
export function textMap(
  limits: { entries: number; nameBytes: number; valueBytes: number },
  description: string,
): Schema<ReadonlyMap<string, string>> {
  const { entries, nameBytes, valueBytes } = limits;
  return {
    json: {
      type: "object",
      maxProperties: entries,
      propertyNames: { minLength: 1, maxLength: nameBytes },
      additionalProperties: { type: "string", maxLength: valueBytes },
      description,
    },
    isOptional: false,
    parse: (value, name) => {
      const pairs = Object.entries(record(value, name));
      if (pairs.length > entries) throw badInput(`${name} may have ${entries} entries at most`);
      for (const [key, item] of pairs) {
        if (key === "" || Buffer.byteLength(key) > nameBytes)
          throw badInput(`${name}: a name has 1 to ${nameBytes} bytes`);
        if (typeof item !== "string" || Buffer.byteLength(item) > valueBytes)
          throw badInput(`${name}: a value is a text of at most ${valueBytes} bytes`);
      }
      return new Map(pairs as [string, string][]);
    },
  };
}

/** A list whose items are looked at later, so that one bad item need not spoil the rest. */
export function list(
  items: JsonSchema,
  max: number,
  description: string,
): Schema<readonly unknown[]> {
  return {
    json: { type: "array", minItems: 1, maxItems: max, items, description },
    isOptional: false,
    parse: (value, name) => {
      if (!Array.isArray(value) || value.length === 0 || value.length > max)
        throw badInput(`${name} must be a list of 1 to ${max} entries`);
      return value;
    },
  };
}

/** May be left out, or null. */
export function optional<Value>(schema: Schema<Value>): Schema<Value | null> {
  return {
    json: schema.json,
    isOptional: true,
    parse: (value, name) =>
      value === undefined || value === null ? null : schema.parse(value, name),
  };
}

/** May be left out. */
export function withDefault<Value>(schema: Schema<Value>, fallback: Value): Schema<Value> {
  return {
    json: { ...schema.json, default: fallback },
    isOptional: true,
    parse: (value, name) => (value === undefined ? fallback : schema.parse(value, name)),
  };
}

export type Fields = Readonly<Record<string, Schema<unknown>>>;
export type FieldValues<F extends Fields> = { readonly [Name in keyof F]: ValueOf<F[Name]> };

/** An object of exactly these fields: a misspelt one must not be ignored. */
export function object<F extends Fields>(fields: F, description?: string): Schema<FieldValues<F>> {
  const names = Object.keys(fields);
  return {
    json: {
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, fields[name]?.json])),
      required: names.filter((name) => fields[name]?.isOptional === false),
      additionalProperties: false,
      ...(description === undefined ? {} : { description }),
    },
    isOptional: false,
    parse: (value, name) => {
      const given = record(value, name);
      for (const key of Object.keys(given)) {
        if (!Object.hasOwn(fields, key))
          throw badInput(`${name} has an unknown field; those it may have are ${names.join(", ")}`);
      }
      const parsed = names.map((key) => {
        const own = Object.hasOwn(given, key) ? given[key] : undefined;
        return [key, (fields[key] as Schema<unknown>).parse(own, key)];
      });
      return Object.fromEntries(parsed) as FieldValues<F>;
    },
  };
}

function record(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badInput(`${name} must be an object`);
  return value as Record<string, unknown>;
}
