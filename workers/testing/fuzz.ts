import { msgpackOf } from "../runtime/payload.ts";
import type { Outcome } from "./crossing.ts";
import { message, payloadBytes } from "./message.ts";
import type { TestMessage } from "./message.ts";
import { RandomSource } from "./random-source.ts";

export interface FuzzOptions {
  /** The same seed sends the same messages; default: one by chance, which the report names. */
  readonly seed?: number;
  /** Batches; default 100. */
  readonly runs?: number;
  /** Channels the messages are on; default: three. */
  readonly channels?: readonly string[];
  /** Payloads like those it is made for, which are sent as they are and damaged. */
  readonly samples?: readonly unknown[];
}

export interface FuzzProblem {
  readonly run: number;
  /** Place of the message in its batch; -1 when it is about all of it. */
  readonly index: number;
  readonly problem: string;
  readonly channel: string;
  /** The payload that brought it up. */
  readonly base64: string;
}

export interface FuzzReport {
  readonly seed: number;
  readonly runs: number;
  readonly messages: number;
  readonly verdicts: Readonly<Record<Outcome["verdict"], number>>;
  /** Throws, changed order, changed bytes; at most `MAX_PROBLEMS`. */
  readonly problems: readonly FuzzProblem[];
}

export type FuzzSend = (
  messages: readonly TestMessage[],
) => Promise<{ readonly outcomes: readonly Outcome[]; readonly isInputIntact: boolean }>;

const MAX_PROBLEMS = 20;
const MAX_BATCH = 32;
const CHANNELS = ["fuzz.1", "fuzz.2", "fuzz.deep.3"];

/**
 * Sends random batches: bytes, text, JSON, msgpack, and samples whole and damaged. Looks for a `process` that throws,
 * messages that change places, and bytes that change although they pass.
 */
export async function fuzzTransform(options: FuzzOptions, send: FuzzSend): Promise<FuzzReport> {
  const seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const random = new RandomSource(seed);
  const runs = options.runs ?? 100;
  const verdicts = { pass: 0, replace: 0, drop: 0, fail: 0 };
  const problems: FuzzProblem[] = [];
  let messages = 0;
  for (let run = 0; run < runs && problems.length < MAX_PROBLEMS; run++) {
    const batch = Array.from({ length: random.between(1, MAX_BATCH) }, () =>
      randomMessage(random, options),
    );
    messages += batch.length;
    const { outcomes, isInputIntact } = await send(batch);
    for (const outcome of outcomes) verdicts[outcome.verdict]++;
    problems.push(...problemsOf(run, batch, outcomes, isInputIntact));
  }
  return { seed, runs, messages, verdicts, problems: problems.slice(0, MAX_PROBLEMS) };
}

function problemsOf(
  run: number,
  batch: readonly TestMessage[],
  outcomes: readonly Outcome[],
  isInputIntact: boolean,
): FuzzProblem[] {
  const problems: FuzzProblem[] = [];
  const add = (index: number, problem: string): void => {
    const { channel, bytes } = batch[index] ?? { channel: "", bytes: new Uint8Array(0) };
    problems.push({ run, index, problem, channel, base64: bytes.toBase64() });
  };
  if (outcomes.length !== batch.length) {
    add(-1, `${batch.length} messages went in, ${outcomes.length} came out`);
  }
  if (!isInputIntact) add(-1, "the transform has written to the bytes of a message");
  for (const [i, outcome] of outcomes.entries()) {
    const { error, verdict, output } = outcome;
    const sent = batch[i];
    if (error !== null && error.type !== "verdict") {
      add(i, `${error.type}: ${error.name}: ${error.message}`);
    }
    if (sent === undefined) continue;
    if (outcome.channel !== sent.channel) add(i, `came out on ${outcome.channel}`);
    const isSame = output !== null && Buffer.from(output.bytes).equals(sent.bytes);
    if (verdict === "pass" && !isSame) add(i, "passed with other bytes");
  }
  return problems;
}

function randomMessage(random: RandomSource, options: FuzzOptions): TestMessage {
  const channel = random.pick(options.channels ?? CHANNELS);
  const headers = random.chance(0.2) ? { trace: random.text(8), "": "" } : undefined;
  return message(channel, randomPayload(random, options.samples ?? []), {
    ...(random.chance(0.3) && { key: random.text(4) }),
    ...(random.chance(0.3) && { user: random.text(6) }),
    ...(headers !== undefined && { headers }),
  });
}

function randomPayload(random: RandomSource, samples: readonly unknown[]): Uint8Array {
  const kind = random.below(samples.length === 0 ? 5 : 8);
  switch (kind) {
    case 0:
      return new Uint8Array(0);
    case 1:
      return random.bytes(random.below(64));
    case 2:
      return payloadBytes(random.text(random.below(64)), "json");
    case 3:
      return payloadBytes(JSON.stringify(random.value(3)), "json");
    case 4:
      return msgpackOf(random.value(3));
    case 5:
      return payloadBytes(random.pick(samples), "json");
    default:
      return damaged(random, payloadBytes(random.pick(samples), "json"));
  }
}

/** Cut short, or with some bytes changed. */
function damaged(random: RandomSource, bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return bytes;
  if (random.chance(0.3)) return bytes.slice(0, random.below(bytes.length));
  const changed = bytes.slice();
  for (let i = random.between(1, 4); i > 0; i--) {
    changed[random.below(changed.length)] = random.below(256);
  }
  return changed;
}
