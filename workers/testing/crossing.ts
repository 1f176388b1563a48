import { Unpackr } from "msgpackr";

import { metaField } from "../../protocol/messages/meta.ts";
import { plainFault } from "../boundary/fault.ts";
import { withHeaders } from "../boundary/meta-headers.ts";
import { SlabWriter } from "../boundary/slab.ts";
import { VerdictReader, VerdictType } from "../boundary/verdicts.ts";
import type { TransformFault, TransformManifest } from "../boundary/worker-link.ts";
import { decodePayload, jsonOf, textOf } from "../runtime/payload.ts";
import { metaBytes } from "./message.ts";
import type { TestMessage } from "./message.ts";

/** A payload that came out. */
export interface Output {
  readonly bytes: Uint8Array;
  text(): string;
  json(): unknown;
  decode(): unknown;
}

export interface TestEmission extends Output {
  readonly channel: string;
  readonly key: string | null;
}

/** What became of one message. */
export interface Outcome {
  readonly channel: string;
  readonly verdict: "pass" | "replace" | "drop" | "fail";
  /** What would be published; null when it is dropped or has failed. */
  readonly output: Output | null;
  /** Of a drop; "" when none was given. */
  readonly reason: string | null;
  readonly error: TransformFault | null;
  /** Headers as they would be published. */
  readonly headers: Readonly<Record<string, string>>;
  readonly emissions: readonly TestEmission[];
}

const VERDICTS = ["pass", "replace", "drop", "fail"] as const;
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: "number" });

/** A batch as it crosses to a worker, in memory of its own. */
export function slabOf(
  messages: readonly TestMessage[],
  manifests: readonly TransformManifest[],
): Uint8Array {
  const writer = new SlabWriter({ capacity: 1024 });
  for (const message of messages) {
    const { channel, bytes } = message;
    writer.append(channel, laneOf(message, manifests), metaBytes(message), bytes, 0, bytes.length);
  }
  return writer.finish().slice();
}

/** The lane the strictest stage asks for. */
export function laneOf(
  message: Pick<TestMessage, "channel" | "key">,
  manifests: readonly TransformManifest[],
): string | null {
  const orders = new Set(manifests.map((manifest) => manifest.order));
  if (orders.has("channel")) return message.channel;
  if (orders.has("key")) return `${message.channel}\n${message.key ?? ""}`;
  return null;
}

/** @throws VerdictError */
export function outcomesOf(
  verdicts: Uint8Array,
  messages: readonly TestMessage[],
  manifests: readonly TransformManifest[],
  maxPayloadBytes: number,
): Outcome[] {
  const reader = new VerdictReader();
  const maxEmissions = manifests.reduce((sum, { limits }) => sum + limits.maxEmissions, 0);
  reader.open(verdicts, messages.length, {
    stages: manifests.length,
    maxPayloadBytes,
    maxEmissions,
  });
  return messages.map((message) => {
    reader.next();
    return outcomeOf(reader, message, manifests);
  });
}

function outcomeOf(
  reader: VerdictReader,
  message: TestMessage,
  manifests: readonly TransformManifest[],
): Outcome {
  const { type } = reader;
  const isPublished = type === VerdictType.pass || type === VerdictType.replace;
  const bytes =
    type === VerdictType.pass ? message.bytes : reader.bytes.slice(reader.start, reader.end);
  return {
    channel: message.channel,
    verdict: VERDICTS[type],
    output: isPublished ? outputOf(bytes) : null,
    reason: type === VerdictType.drop ? reader.reason : null,
    error: type === VerdictType.fail ? failureOf(reader, manifests) : null,
    headers: headersOf(message, reader.headers),
    emissions: reader.emissions.map((emission) => ({
      channel: emission.channel,
      key: emission.key,
      ...outputOf(emission.bytes.slice()),
    })),
  };
}

function failureOf(reader: VerdictReader, manifests: readonly TransformManifest[]): TransformFault {
  const line = Number(/:(\d+)$/.exec(reader.errorLocation)?.[1] ?? Number.NaN);
  const file = manifests[reader.stage]?.file ?? "";
  return plainFault(reader.cause, reader.errorName, reader.errorMessage, {
    file: file === "" ? null : file,
    line: Number.isNaN(line) ? null : line,
  });
}

function headersOf(message: TestMessage, changed: Uint8Array | null): Record<string, string> {
  if (changed === null) return { ...message.headers };
  const meta = withHeaders(metaBytes(message), changed);
  return Object.fromEntries(
    metaField(unpackr.unpack(meta ?? new Uint8Array([0x90]))).headers ?? [],
  );
}

function outputOf(bytes: Uint8Array): Output {
  return {
    bytes,
    text: () => textOf(bytes, 0, bytes.length),
    json: () => jsonOf(bytes, 0, bytes.length),
    decode: () => decodePayload(bytes, 0, bytes.length),
  };
}

/** A message that no transform was asked about. */
export function passedBy(message: TestMessage): Outcome {
  return {
    channel: message.channel,
    verdict: "pass",
    output: outputOf(message.bytes),
    reason: null,
    error: null,
    headers: { ...message.headers },
    emissions: [],
  };
}

/** A message that took its batch down with it, alone and twice. */
export function failedBy(message: TestMessage, fault: TransformFault): Outcome {
  return { ...passedBy(message), verdict: "fail", output: null, error: fault };
}
