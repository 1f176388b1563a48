import { isChannelName, isChannelPattern } from "../../protocol/channel-name.ts";
import { nearName } from "../runtime/near-name.ts";
import { message, payloadBytes } from "./message.ts";
import type { MessageOptions, TestMessage } from "./message.ts";

/**
 * A case: what goes in and what shall come out, as JSON. A file holds one, or a list of them.
 *
 *   { "name": "drops test orders", "config": { ... }, "emit": ["orders.>"], "history": { "orders.1": [...] },
 *     "in":  [{ "channel": "orders.1", "json": { ... }, "headers": { ... }, "key": "a", "repeat": 2 }],
 *     "out": [{ "json": { ... } }, { "drop": "a test" }],
 *     "emitted": [{ "channel": "orders.all", "json": { ... } }] }
 *
 * A payload is one of `json`, `text`, `base64` and `msgpack` (a JSON value, encoded). `out` has one entry for each
 * message: a payload, `pass: true`, `drop: true` or its reason, `fail: true` or a part of its message; `headers`
 * names some that it must have. Without `emitted`, nothing may be emitted. Without `config`, there is none.
 */
export interface TransformCase {
  readonly name: string;
  readonly config: unknown;
  /** Patterns of channels it may emit to; all, when the case does not say. */
  readonly emit: readonly string[];
  /** Payloads its channels have had before, oldest first. */
  readonly history: ReadonlyMap<string, readonly Uint8Array[]>;
  readonly messages: readonly TestMessage[];
  readonly expected: readonly ExpectedOutcome[];
  readonly emitted: readonly ExpectedEmission[];
}

export type ExpectedPayload =
  | { readonly type: "json" | "msgpack"; readonly value: unknown }
  | { readonly type: "text"; readonly value: string }
  | { readonly type: "bytes"; readonly value: Uint8Array };

export interface ExpectedOutcome {
  readonly verdict:
    | ExpectedPayload
    | { readonly type: "pass" }
    | { readonly type: "drop"; readonly reason: string | null }
    | { readonly type: "fail"; readonly message: string | null };
  readonly headers: Readonly<Record<string, string>>;
}

export interface ExpectedEmission {
  readonly channel: string;
  /** Undefined: not looked at. */
  readonly key: string | undefined;
  readonly payload: ExpectedPayload;
}

/** A case that says something impossible; the message names the file and the place in it. */
export class CaseError extends Error {
  override readonly name = "CaseError";
}

const MAX_MESSAGES = 100_000;
const PAYLOADS = ["json", "text", "base64", "msgpack"] as const;
const CASE_FIELDS = ["name", "config", "emit", "history", "in", "out", "emitted"];
const IN_FIELDS = ["channel", ...PAYLOADS, "headers", "key", "id", "user", "repeat"];
const OUT_FIELDS = [...PAYLOADS, "pass", "drop", "fail", "headers", "repeat"];
const EMITTED_FIELDS = ["channel", "key", "repeat", ...PAYLOADS];

/**
 * Reads the cases of a file.
 * @param file its name, for errors
 * @throws CaseError
 */
export function parseCases(text: string, file: string): TransformCase[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CaseError(`${file}: ${error instanceof Error ? error.message : "not JSON"}`);
  }
  if (!Array.isArray(value)) return [parseCase(value, file)];
  return value.map((item, i) => parseCase(item, `${file}[${i}]`));
}

function parseCase(value: unknown, at: string): TransformCase {
  const fields = record(value, at, CASE_FIELDS);
  const { name } = fields;
  if (typeof name !== "string" || name === "") throw new CaseError(`${at}: name must be text`);
  const messages = list(fields["in"], `${at}: in`).flatMap((item, i) =>
    parseInput(item, `${at}: in[${i}]`),
  );
  const expected = list(fields["out"], `${at}: out`).flatMap((item, i) =>
    parseOutcome(item, `${at}: out[${i}]`),
  );
  if (expected.length !== messages.length) {
    throw new CaseError(
      `${at}: out must have an entry for each message: ${messages.length} go in, ${expected.length} come out`,
    );
  }
  if (messages.length > MAX_MESSAGES) throw new CaseError(`${at}: over ${MAX_MESSAGES} messages`);
  return {
    name,
    config: fields["config"],
    emit: parseEmit(fields["emit"], `${at}: emit`),
    history: parseHistory(fields["history"], `${at}: history`),
    messages,
    expected,
    emitted: list(fields["emitted"] ?? [], `${at}: emitted`).flatMap((item, i) =>
      parseEmission(item, `${at}: emitted[${i}]`),
    ),
  };
}

function parseInput(value: unknown, at: string): TestMessage[] {
  const fields = record(value, at, IN_FIELDS);
  const { channel } = fields;
  if (typeof channel !== "string" || !isChannelName(channel)) {
    throw new CaseError(`${at}: channel must be the name of a channel`);
  }
  const options: { -readonly [Name in keyof MessageOptions]: MessageOptions[Name] } = {};
  for (const name of ["key", "id", "user"] as const) {
    const text = optionalText(fields[name], `${at}: ${name}`);
    if (text !== undefined) options[name] = text;
  }
  if (fields["headers"] !== undefined) options.headers = parseHeaders(fields["headers"], at);
  const bytes = bytesOf(parsePayload(fields, at));
  return repeated(message(channel, bytes, options), fields["repeat"], at);
}

function parseOutcome(value: unknown, at: string): ExpectedOutcome[] {
  const fields = record(value, at, OUT_FIELDS);
  const headers = fields["headers"] === undefined ? {} : parseHeaders(fields["headers"], at);
  const verdict = parseVerdict(fields, at);
  return repeated({ verdict, headers }, fields["repeat"], at);
}

function parseVerdict(fields: Record<string, unknown>, at: string): ExpectedOutcome["verdict"] {
  const said = ["pass", "drop", "fail", ...PAYLOADS].filter((name) => fields[name] !== undefined);
  if (said.length !== 1) {
    throw new CaseError(`${at}: needs one of pass, drop, fail, ${PAYLOADS.join(", ")}`);
  }
  const { pass, drop, fail } = fields;
  if (pass !== undefined) {
    if (pass !== true) throw new CaseError(`${at}: pass must be true`);
    return { type: "pass" };
  }
  if (drop !== undefined) return { type: "drop", reason: trueOrText(drop, `${at}: drop`) };
  if (fail !== undefined) return { type: "fail", message: trueOrText(fail, `${at}: fail`) };
  return parsePayload(fields, at);
}

function parseEmission(value: unknown, at: string): ExpectedEmission[] {
  const fields = record(value, at, EMITTED_FIELDS);
  const channel = optionalText(fields["channel"], `${at}: channel`);
  if (channel === undefined) throw new CaseError(`${at}: channel must be text`);
  const key = optionalText(fields["key"], `${at}: key`);
  return repeated({ channel, key, payload: parsePayload(fields, at) }, fields["repeat"], at);
}

function parsePayload(fields: Record<string, unknown>, at: string): ExpectedPayload {
  const [name, ...more] = PAYLOADS.filter((payload) => fields[payload] !== undefined);
  if (name === undefined || more.length > 0) {
    throw new CaseError(`${at}: needs exactly one of ${PAYLOADS.join(", ")}`);
  }
  const value = fields[name];
  if (name === "json" || name === "msgpack") return { type: name, value };
  if (typeof value !== "string") throw new CaseError(`${at}: ${name} must be text`);
  if (name === "text") return { type: "text", value };
  try {
    return { type: "bytes", value: Uint8Array.fromBase64(value) };
  } catch {
    throw new CaseError(`${at}: base64 is not base64`);
  }
}

/** The bytes a payload stands for. */
function bytesOf(payload: ExpectedPayload): Uint8Array {
  if (payload.type === "json") return payloadBytes(JSON.stringify(payload.value), "json");
  return payloadBytes(payload.value, payload.type === "msgpack" ? "msgpack" : "json");
}

function parseEmit(value: unknown, at: string): string[] {
  if (value === undefined) return [">"];
  return list(value, at).map((pattern) => {
    if (typeof pattern === "string" && isChannelPattern(pattern)) return pattern;
    throw new CaseError(`${at}: ${JSON.stringify(pattern)} is not a channel pattern`);
  });
}

function parseHistory(value: unknown, at: string): ReadonlyMap<string, readonly Uint8Array[]> {
  return new Map(
    Object.entries(record(value ?? {}, at, null)).map(([channel, payloads]) => [
      channel,
      list(payloads, `${at}.${channel}`).map((item, i) => {
        const place = `${at}.${channel}[${i}]`;
        return bytesOf(parsePayload(record(item, place, PAYLOADS), place));
      }),
    ]),
  );
}

function parseHeaders(value: unknown, at: string): Readonly<Record<string, string>> {
  const headers = record(value, `${at}: headers`, null);
  for (const [name, text] of Object.entries(headers)) {
    if (typeof text !== "string") throw new CaseError(`${at}: headers.${name} must be text`);
  }
  return headers as Record<string, string>;
}

function record(
  value: unknown,
  at: string,
  known: readonly string[] | null,
): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CaseError(`${at}: must be an object`);
  }
  for (const name of known === null ? [] : Object.keys(value)) {
    if (known?.includes(name) === true) continue;
    const meant = nearName(name, known ?? []);
    const hint =
      meant === undefined ? `known are ${known?.join(", ")}` : `did you mean "${meant}"?`;
    throw new CaseError(`${at}: unknown field "${name}"; ${hint}`);
  }
  return value as Record<string, unknown>;
}

function list(value: unknown, at: string): unknown[] {
  if (!Array.isArray(value)) throw new CaseError(`${at} must be a list`);
  return value;
}

function optionalText(value: unknown, at: string): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  throw new CaseError(`${at} must be text`);
}

function trueOrText(value: unknown, at: string): string | null {
  if (value === true) return null;
  if (typeof value === "string") return value;
  throw new CaseError(`${at} must be true or text`);
}

function repeated<Item>(item: Item, times: unknown, at: string): Item[] {
  const count = times ?? 1;
  if (typeof count !== "number" || !Number.isInteger(count) || count < 1 || count > MAX_MESSAGES) {
    throw new CaseError(`${at}: repeat must be an integer from 1 to ${MAX_MESSAGES}`);
  }
  return Array.from({ length: count }, () => item);
}
