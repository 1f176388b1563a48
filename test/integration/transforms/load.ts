import { ProtocolClient, publishFrame, RefusedError } from "../../support/protocol-client.ts";
import { Random } from "../../support/random.ts";

/** One publication, and what its publisher was told. */
export interface Sent {
  readonly channel: string;
  readonly publisher: number;
  readonly number: number;
  readonly text: string;
  /** Offset it was acknowledged with, the code it was refused with, or null when nobody knows. */
  outcome: { readonly offset: number } | { readonly code: number } | null;
}

export interface LoadOptions {
  readonly url: string;
  readonly publishers: number;
  readonly channels: readonly string[];
  /** Publications of each publisher. */
  readonly count: number;
  /** Publications a publisher has under way at once. */
  readonly window: number;
  readonly seed: number;
  /** Payload of a publication; it must say the label somewhere. */
  readonly text: (label: string, random: Random) => string;
  /** With publication ids, made of the label. */
  readonly hasIds?: boolean;
  /** Called before each send; may wait. */
  readonly beforeSend?: (publisher: number, number: number) => Promise<void> | void;
}

/** Publishes from several connections at once, each with many publications under way, on random channels. */
export async function publishLoad(options: LoadOptions): Promise<readonly Sent[]> {
  const all = await Promise.all(
    Array.from({ length: options.publishers }, (_, publisher) => publishOne(options, publisher)),
  );
  return all.flat();
}

async function publishOne(options: LoadOptions, publisher: number): Promise<readonly Sent[]> {
  const { url, channels, count, window, seed, text, beforeSend } = options;
  const random = new Random(seed + publisher);
  await using client = await ProtocolClient.connect(url);
  const sent: Sent[] = [];
  const waiting: Promise<void>[] = [];
  for (let number = 0; number < count; number++) {
    await beforeSend?.(publisher, number);
    if (client.closed !== null) break;
    const channel = random.pick(channels);
    const label = `<${publisher}-${number}>`;
    const one: Sent = { channel, publisher, number, text: text(label, random), outcome: null };
    sent.push(one);
    const id = client.nextId();
    const meta = options.hasIds === true ? { id: label } : null;
    client.send(publishFrame(id, channel, one.text, meta));
    waiting.push(outcomeOf(client, id, one));
    if (number >= window) await waiting[number - window];
  }
  await Promise.all(waiting);
  return sent;
}

/** Publishes everything again, each under its id; resolves to what is said to it now. */
export async function publishAgain(url: string, sent: readonly Sent[]): Promise<readonly Sent[]> {
  await using client = await ProtocolClient.connect(url);
  const waiting = sent.map(async (one) => {
    const again: Sent = { ...one, outcome: null };
    const id = client.nextId();
    client.send(publishFrame(id, one.channel, one.text, { id: labelOf(one.text) }));
    await outcomeOf(client, id, again);
    return again;
  });
  return await Promise.all(waiting);
}

async function outcomeOf(client: ProtocolClient, id: number, sent: Sent): Promise<void> {
  try {
    sent.outcome = { offset: (await client.published(id)).offset };
  } catch (error) {
    // A connection that broke leaves the outcome unknown.
    if (error instanceof RefusedError) sent.outcome = { code: error.code };
  }
}

/** The label a stored payload carries. */
export function labelOf(text: string): string {
  return /<\d+-\d+>/.exec(text)?.[0] ?? "";
}

/**
 * What is wrong with what was stored on the channels: lost, doubled or reordered publications, and acknowledgements
 * that name another place. Empty when all is well.
 * @param stored payloads of each channel, from offset 1 on
 */
export function loadViolations(
  sent: readonly Sent[],
  stored: ReadonlyMap<string, readonly string[]>,
): string[] {
  const violations: string[] = [];
  for (const [channel, texts] of stored) {
    const labels = texts.map(labelOf);
    const seen = new Set(labels);
    if (seen.size !== labels.length) violations.push(`${channel}: doubled`);
    const lastOf = new Map<string, number>();
    for (const label of labels) {
      const [publisher = "", number = ""] = label.slice(1, -1).split("-");
      if ((lastOf.get(publisher) ?? -1) >= Number(number)) violations.push(`${channel}: ${label}`);
      lastOf.set(publisher, Number(number));
    }
    for (const one of sent.filter((candidate) => candidate.channel === channel)) {
      const label = `<${one.publisher}-${one.number}>`;
      const { outcome } = one;
      if (outcome === null) continue;
      if ("code" in outcome) {
        if (seen.has(label)) violations.push(`${channel}: refused ${label} is stored`);
      } else if (outcome.offset > 0 && labels[outcome.offset - 1] !== label) {
        violations.push(`${channel}: ${label} is not at ${outcome.offset}`);
      }
    }
  }
  return violations;
}
