import type { PublicationPush } from "../../protocol/messages/publication.ts";

/** What was delivered is not what the guarantees of a channel allow; says where it goes wrong. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
}

type Delivered = Pick<PublicationPush, "offset" | "payload">;

/** Checks that offsets follow on `afterOffset` one by one: nothing lost, doubled or out of order. */
export function checkContiguous(publications: readonly Delivered[], afterOffset: number): void {
  let expected = afterOffset + 1;
  for (const [index, { offset }] of publications.entries()) {
    if (offset !== expected) {
      const what = offset > expected ? "lost" : "doubled or out of order";
      throw new DeliveryError(`publication ${index}: offset ${offset}, not ${expected}: ${what}`);
    }
    expected++;
  }
}

/** The channel's stream as its publishers know it: what each offset holds. */
export class HistoryChecker {
  readonly #payloads = new Map<number, string>();

  get size(): number {
    return this.#payloads.size;
  }

  /** A publish was acknowledged with this offset. */
  acknowledged(offset: number, payload: string): void {
    const other = this.#payloads.get(offset);
    if (other !== undefined) {
      throw new DeliveryError(`offset ${offset} was given to "${other}" and to "${payload}"`);
    }
    this.#payloads.set(offset, payload);
  }

  /** Checks that a subscriber got each publication after `afterOffset` once, in order, unchanged, to the end. */
  checkComplete(publications: readonly Delivered[], afterOffset = 0): void {
    this.checkPrefix(publications, afterOffset);
    const count = this.#payloads.size - afterOffset;
    if (publications.length !== count) {
      throw new DeliveryError(`${publications.length} publications, not ${count}`);
    }
  }

  /** The same for a subscriber that stopped listening at some point. */
  checkPrefix(publications: readonly Delivered[], afterOffset = 0): void {
    checkContiguous(publications, afterOffset);
    for (const { offset, payload } of publications) {
      const text = new TextDecoder().decode(payload);
      const expected = this.#payloads.get(offset);
      if (text !== expected) {
        throw new DeliveryError(`offset ${offset} holds "${text}", published was "${expected}"`);
      }
    }
  }
}

/** Checks that texts of the form `publisher:n` count up without holes for each publisher. */
export function checkPublisherOrder(texts: readonly string[]): void {
  const last = new Map<string, number>();
  for (const text of texts) {
    const [publisher = "", count = ""] = text.split(":");
    const expected = (last.get(publisher) ?? -1) + 1;
    if (Number(count) !== expected) {
      throw new DeliveryError(`${publisher} sent ${expected} next, ${count} was delivered`);
    }
    last.set(publisher, expected);
  }
}
