/** The plain twin of workers/boundary/verdict-writer.ts: verdicts as values, and their bytes as parts. */
export interface PlainEmission {
  readonly stage: number;
  readonly channel: string;
  readonly key: string | null;
  readonly payload: Uint8Array;
}

export interface PlainVerdict {
  readonly type: "pass" | "replace" | "drop" | "fail";
  readonly payload?: Uint8Array;
  readonly stage?: number;
  readonly reason?: string;
  readonly cause?: "verdict" | "emission" | "throw";
  readonly name?: string;
  readonly message?: string;
  readonly location?: string;
  readonly emissions?: readonly PlainEmission[];
  readonly headers?: Uint8Array;
}

const TYPES = ["pass", "replace", "drop", "fail"];
const CAUSES = ["verdict", "emission", "throw"];

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function number(bytes: number, value: number): Uint8Array {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return new Uint8Array(buffer);
}

function text(value: string): Uint8Array {
  const utf8 = new TextEncoder().encode(value);
  return joined([number(2, utf8.length), utf8]);
}

function payload(bytes: Uint8Array): Uint8Array {
  return joined([number(4, bytes.length), bytes]);
}

function record(verdict: PlainVerdict): Uint8Array {
  const parts: Uint8Array[] = [];
  if (verdict.type === "replace") parts.push(payload(verdict.payload ?? new Uint8Array(0)));
  if (verdict.type === "drop")
    parts.push(number(1, verdict.stage ?? 0), text(verdict.reason ?? ""));
  if (verdict.type === "fail") {
    parts.push(
      number(1, verdict.stage ?? 0),
      number(1, CAUSES.indexOf(verdict.cause ?? "verdict")),
      text(verdict.name ?? ""),
      text(verdict.message ?? ""),
      text(verdict.location ?? ""),
    );
  }
  if (verdict.emissions !== undefined) {
    parts.push(number(2, verdict.emissions.length));
    for (const emission of verdict.emissions) {
      parts.push(
        number(1, emission.stage),
        text(emission.channel),
        number(1, emission.key === null ? 0 : 1),
        text(emission.key ?? ""),
        payload(emission.payload),
      );
    }
  }
  if (verdict.headers !== undefined) {
    parts.push(joined([number(2, verdict.headers.length), verdict.headers]));
  }
  return joined(parts);
}

export function plainVerdicts(verdicts: readonly PlainVerdict[]): Uint8Array {
  const flags = verdicts.map(
    ({ type, emissions, headers }) =>
      TYPES.indexOf(type) + (emissions === undefined ? 0 : 4) + (headers === undefined ? 0 : 8),
  );
  return joined([number(4, verdicts.length), Uint8Array.from(flags), ...verdicts.map(record)]);
}
