import type { BatchReply, TransformFault, TransformManifest } from "../boundary/worker-link.ts";
import { StageMatch } from "../runtime/stage-match.ts";
import { failedBy, outcomesOf, passedBy, slabOf } from "./crossing.ts";
import type { Outcome } from "./crossing.ts";
import type { TestMessage } from "./message.ts";

/** A pipeline, as far as sending it messages goes. */
export interface BatchTarget {
  readonly manifests: readonly TransformManifest[];
  readonly maxPayloadBytes: number;
  /** Runs a batch; hears of the reply before its verdicts are read. */
  run(slab: Uint8Array, attempt: number): Promise<Pick<BatchReply, "verdicts" | "fault">>;
}

/**
 * Sends messages through, as a broker would: those that no stage matches pass by, batches have as many as the
 * stages allow, and a batch that throws as a whole is halved until the message it is about stands alone.
 */
export async function sendMessages(
  target: BatchTarget,
  messages: readonly TestMessage[],
): Promise<Outcome[]> {
  const { manifests } = target;
  const outcomes = messages.map(passedBy);
  const matches = manifests.map(({ match }) => new StageMatch(match));
  const places = messages.flatMap(({ channel, bytes }, place) =>
    matches.some((match) => match.matches(channel, bytes.length)) ? [place] : [],
  );
  const most = Math.min(...manifests.map(({ limits }) => limits.batch));
  for (let at = 0; at < places.length; at += most) {
    const batch = places.slice(at, at + most);
    const sent = batch.map((place) => messages[place] as TestMessage);
    for (const [i, outcome] of (await sendBatch(target, sent, 1)).entries()) {
      outcomes[batch[i] as number] = outcome;
    }
  }
  return outcomes;
}

async function sendBatch(
  target: BatchTarget,
  messages: readonly TestMessage[],
  attempt: number,
): Promise<Outcome[]> {
  const { manifests, maxPayloadBytes } = target;
  const reply = await target.run(slabOf(messages, manifests), attempt);
  if (reply.fault === null) {
    return outcomesOf(reply.verdicts, messages, manifests, maxPayloadBytes);
  }
  const fault: TransformFault = reply.fault.fault;
  if (messages.length === 1) {
    if (attempt === 1) return sendBatch(target, messages, attempt + 1);
    return messages.map((message) => failedBy(message, fault));
  }
  const middle = Math.ceil(messages.length / 2);
  return [
    ...(await sendBatch(target, messages.slice(0, middle), attempt + 1)),
    ...(await sendBatch(target, messages.slice(middle), attempt + 1)),
  ];
}
