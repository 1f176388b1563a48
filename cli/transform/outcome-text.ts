import { basename } from "node:path";

import { jsonPayload } from "../../protocol/json-codec.ts";
import type { Outcome as TestOutcome } from "../../workers/testing/crossing.ts";
import { formatDuration } from "../format.ts";

/** What became of a payload, as a broker or a worker here tells it. */
export interface Outcome {
  readonly type: string;
  readonly payload?: unknown;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly reason?: string;
  /** Of a dead letter. */
  readonly channel?: string;
  readonly message?: string;
  readonly emissions?: readonly { readonly channel: string; readonly payload: unknown }[];
  readonly runMs?: number | null;
  readonly fault: { readonly type: string; readonly message: string } | null;
}

/** What a worker here made of a message: there is no binding, so a failure is not yet a drop, a nack or another. */
export function asOutcome(one: TestOutcome): Outcome {
  const { verdict, output, reason, error, headers } = one;
  const emissions = one.emissions.map(({ channel, bytes, key }) => ({
    channel,
    payload: jsonPayload(bytes),
    key,
  }));
  const fault = error === null ? null : { type: error.type, message: errorText(error) };
  return {
    type: output === null ? verdict : "publish",
    ...(output === null ? {} : { payload: jsonPayload(output.bytes), headers }),
    ...(reason === null ? {} : { reason }),
    emissions,
    fault,
  };
}

function errorText({ name, message, file, line }: NonNullable<TestOutcome["error"]>): string {
  const place = file === null || line === null ? "" : ` (${basename(file)}:${line})`;
  return `${name === "Error" ? "" : `${name}: `}${message}${place}`;
}

/** A line, and one for everything beside it. */
export function outcomeText(outcome: Outcome): string {
  const { type, payload, headers, emissions, runMs, fault } = outcome;
  const time = runMs == null ? "" : `  [${formatDuration(runMs)}]`;
  const lines = [`${type}${detail(outcome)}${time}`];
  if (fault !== null) lines.push(`  ${fault.type}: ${fault.message}`);
  if (payload !== undefined) lines.push(`  ${payloadText(payload)}`);
  for (const [name, value] of Object.entries(headers ?? {})) {
    lines.push(`  ${name}: ${String(value)}`);
  }
  for (const { channel, payload: emitted } of emissions ?? []) {
    lines.push(`  emits on ${channel}: ${payloadText(emitted)}`);
  }
  return lines.join("\n");
}

function detail({ reason, channel, message }: Outcome): string {
  if (channel !== undefined) return ` on ${channel}`;
  const text = message ?? reason ?? "";
  return text === "" ? "" : `: ${text}`;
}

function payloadText(payload: unknown): string {
  if (typeof payload === "string") return payload;
  const { b64 } = payload as { readonly b64?: unknown };
  return typeof b64 === "string" ? `(base64) ${b64}` : JSON.stringify(payload);
}
