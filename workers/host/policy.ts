import { MAX_HEADER_VALUE_BYTES } from "../../protocol/limits.ts";
import { deadLetterChannel } from "./binding.ts";
import type { Version } from "./binding.ts";
import type { ErrorPolicy, TransformOutcome, TransformTiming } from "./host-types.ts";
import type { Entry } from "./lane.ts";

/** Why a message gets its binding's failure policy. */
export interface Failure {
  /** The stage at fault; null when it is not known, or no stage is (the breaker is open). */
  readonly stage: number | null;
  readonly type: string;
  readonly message: string;
  readonly attempt: number;
}

/** Faults that lie in the publication: the same one would meet the same fate. */
const REJECTIONS: ReadonlySet<string> = new Set(["verdict", "throw", "emission"]);

/**
 * When a publication may be tried again whose worker was lost over it, ms. A publisher that obeys costs fewer workers
 * than trip the breaker (`BREAKER_LOSSES` within its window).
 */
const RETRY_AFTER_LOSS_MS = 10_000;

/** From the strictest. */
const STRICTNESS: readonly string[] = ["nack", "dead-letter", "drop", "pass"];

function strictness(policy: ErrorPolicy): number {
  return STRICTNESS.indexOf(deadLetterChannel(policy) === null ? policy : "dead-letter");
}

/**
 * The stage whose policy speaks. A message that fails in one stage of several has not been through the others: it
 * passes only when all of them would let it, so that "pass" of one never leaves out another.
 */
export function decidingStage(versions: readonly Version[], stage: number | null): number {
  const own = stage === null ? undefined : versions[stage];
  if (stage !== null && own !== undefined && own.bound.onError !== "pass") return stage;
  let deciding = stage ?? 0;
  for (let i = 0; i < versions.length; i++) {
    const policy = versions[i]?.bound.onError ?? "nack";
    if (strictness(policy) < strictness(versions[deciding]?.bound.onError ?? "nack")) deciding = i;
  }
  return deciding;
}

/** What becomes of a message that failed. Its bytes are the original ones. */
export function failureOutcome(
  entry: Entry,
  versions: readonly Version[],
  failure: Failure,
  timing: TransformTiming,
): TransformOutcome {
  const deciding = versions[decidingStage(versions, failure.stage)];
  const policy = deciding?.bound.onError ?? "nack";
  const { bytes } = entry.chunk;
  const { start, end, meta } = entry;
  if (policy === "pass") {
    return { type: "publish", bytes, start, end, meta, emissions: [], timing };
  }
  if (policy === "drop") return { type: "drop", reason: "failed", emissions: [], timing };
  const channel = deadLetterChannel(policy);
  if (channel === null) {
    const isRejected = REJECTIONS.has(failure.type);
    return {
      type: "reject",
      error: {
        code: isRejected ? "transformRejected" : "transformFailed",
        message: `${failure.type}: ${failure.message}`,
        retryAfterMs: isRejected ? null : RETRY_AFTER_LOSS_MS,
      },
      timing,
    };
  }
  const blamed = failure.stage === null ? deciding : versions[failure.stage];
  const headers = new Map([
    ["tickwire-transform", headerText(blamed?.bound.id ?? "")],
    ["tickwire-version", headerText(blamed?.manifest.version ?? "")],
    ["tickwire-fault", headerText(failure.type)],
    ["tickwire-message", headerText(failure.message)],
    ["tickwire-channel", entry.channel],
    ["tickwire-attempt", String(failure.attempt)],
  ]);
  return { type: "dead-letter", channel, bytes: bytes.slice(start, end), headers, timing };
}

/** One line within a header's bound; three bytes are the most a UTF-16 unit takes. */
function headerText(text: string): string {
  const line = text.replace(/\p{Cc}+/gu, " ").toWellFormed();
  if (Buffer.byteLength(line) <= MAX_HEADER_VALUE_BYTES) return line;
  return line.slice(0, Math.floor(MAX_HEADER_VALUE_BYTES / 3)).toWellFormed();
}
