import type { ExpectedEmission, ExpectedOutcome, ExpectedPayload } from "./case-file.ts";
import type { Outcome, Output, TestEmission } from "./crossing.ts";

/** Lines of one case's difference; what is behind them is counted. */
export const MAX_LINES = 20;
const MAX_VALUE_CHARS = 200;

/** Where what came out is not what was expected, a line each. */
export function outcomeDifference(
  expected: ExpectedOutcome,
  actual: Outcome,
  at: string,
): string[] {
  const lines = verdictDifference(expected, actual, at);
  for (const [name, value] of Object.entries(expected.headers)) {
    const got = actual.headers[name];
    if (got !== value) {
      lines.push(`${at}.headers.${name}: expected ${shown(value)}, got ${shown(got)}`);
    }
  }
  return lines;
}

function verdictDifference({ verdict }: ExpectedOutcome, actual: Outcome, at: string): string[] {
  const { type } = verdict;
  if (type === "pass" || type === "drop" || type === "fail") {
    if (actual.verdict !== type) return [`${at}: expected ${type}, got ${summary(actual)}`];
    if (type === "drop" && verdict.reason !== null && verdict.reason !== actual.reason) {
      return [`${at}.drop: expected ${shown(verdict.reason)}, got ${shown(actual.reason)}`];
    }
    if (type === "fail" && verdict.message !== null) {
      const got = actual.error?.message ?? "";
      if (!got.includes(verdict.message)) {
        return [`${at}.fail: expected text with ${shown(verdict.message)}, got ${shown(got)}`];
      }
    }
    return [];
  }
  if (actual.output === null) return [`${at}: expected ${type}, got ${summary(actual)}`];
  return payloadDifference(verdict, actual.output, at);
}

export function emissionsDifference(
  expected: readonly ExpectedEmission[],
  actual: readonly TestEmission[],
): string[] {
  const lines: string[] = [];
  for (const [i, emission] of expected.entries()) {
    const at = `emitted[${i}]`;
    const got = actual[i];
    if (got === undefined) lines.push(`${at}: expected one on "${emission.channel}", got none`);
    else if (got.channel !== emission.channel) {
      lines.push(`${at}.channel: expected ${shown(emission.channel)}, got ${shown(got.channel)}`);
    } else {
      if (emission.key !== undefined && emission.key !== got.key) {
        lines.push(`${at}.key: expected ${shown(emission.key)}, got ${shown(got.key)}`);
      }
      lines.push(...payloadDifference(emission.payload, got, at));
    }
  }
  for (const [i, got] of actual.slice(expected.length).entries()) {
    const at = `emitted[${expected.length + i}]`;
    lines.push(`${at}: expected none, got ${outputText(got)} on "${got.channel}"`);
  }
  return lines;
}

function payloadDifference(expected: ExpectedPayload, actual: Output, at: string): string[] {
  const { type, value } = expected;
  if (type === "bytes") {
    if (Buffer.from(value).equals(actual.bytes)) return [];
    return [
      `${at}.base64: expected ${shown(value.toBase64())}, got ${shown(actual.bytes.toBase64())}`,
    ];
  }
  if (type === "text") {
    const text = actual.text();
    return text === value ? [] : [`${at}.text: expected ${shown(value)}, got ${shown(text)}`];
  }
  let decoded: unknown;
  try {
    decoded = type === "json" ? actual.json() : actual.decode();
  } catch {
    return [`${at}: expected ${type}, got ${outputText(actual)}`];
  }
  return valueDifference(value, decoded, `${at}.${type}`);
}

/** Compares values as JSON has them, and names the path of what differs. */
function valueDifference(expected: unknown, actual: unknown, at: string): string[] {
  if (Array.isArray(expected) && Array.isArray(actual)) {
    const length = Math.max(expected.length, actual.length);
    return Array.from({ length }, (_, i) =>
      valueDifference(expected[i], actual[i], `${at}[${i}]`),
    ).flat();
  }
  if (isRecord(expected) && isRecord(actual)) {
    const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
    return [...names].flatMap((name) =>
      valueDifference(expected[name], actual[name], `${at}.${name}`),
    );
  }
  if (Object.is(expected, actual) || expected === actual) return [];
  // msgpack has integers beyond what a number holds; JSON of a case cannot say so.
  if (typeof actual === "bigint" && String(actual) === String(expected)) return [];
  return [`${at}: expected ${shown(expected)}, got ${shown(actual)}`];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function summary(actual: Outcome): string {
  if (actual.verdict === "drop") return `drop (${shown(actual.reason)})`;
  if (actual.verdict === "fail") return `fail (${actual.error?.message ?? ""})`;
  if (actual.verdict === "pass") return "pass";
  return actual.output === null ? actual.verdict : outputText(actual.output);
}

function outputText(output: Output): string {
  const text = output.text();
  // A replacement character is what UTF-8 that is none decodes to.
  const isText = !text.includes("\uFFFD") && !text.includes("\0");
  return isText ? `text ${shown(text)}` : (msgpackText(output) ?? base64Text(output));
}

function msgpackText(output: Output): string | null {
  try {
    return `msgpack ${shown(output.decode())}`;
  } catch {
    return null;
  }
}

function base64Text(output: Output): string {
  return `base64 ${shown(output.bytes.toBase64())}`;
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? typeof value);
  return text.length <= MAX_VALUE_CHARS ? text : `${text.slice(0, MAX_VALUE_CHARS - 1)}…`;
}
