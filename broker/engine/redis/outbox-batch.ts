import type { BrokerError } from "../../api.ts";
import { ByteBuffer } from "../../sessions/byte-buffer.ts";
import type { PublishTrace } from "../../tracing/publish-trace.ts";
import type { PublishAck } from "../engine.ts";

/**
 * A batch closes at any of the bounds. Publications of one channel cost Redis and the nodes less than half with
 * 256 in a call of what they cost with 64; channels cost the same, and a call with many holds Redis up.
 * Bun 1.4.5, 2026-11-22: npm run bench -- --redis --shapes 1:1
 */
const MAX_BATCH_PUBLICATIONS = 256;
const MAX_BATCH_GROUPS = 64;
const MAX_BATCH_BYTES = 64 * 1024;

/** Who waits for one publication's outcome. */
interface Waiter {
  readonly ack: PublishAck | null;
  readonly requestId: number;
  readonly trace: PublishTrace | null;
}

/** What the outbox must know of a stream; the engine's streams have it. */
export interface OutboxStream {
  readonly name: string;
}

/** Consecutive publications of one channel in one batch. */
export interface OutboxGroup<S extends OutboxStream> {
  readonly stream: S;
  /** Set for a group of one publication that is to be stored once. */
  readonly publicationId: string | null;
  readonly run: ByteBuffer;
  readonly waiters: Waiter[];
}

/** What goes to Redis in one call. */
export interface OutboxBatch<S extends OutboxStream> {
  /** Number of the batch in its partition; the same on every attempt. */
  readonly seq: number;
  readonly groups: OutboxGroup<S>[];
  publications: number;
  bytes: number;
  /** When its first publication came (clock ms). */
  readonly openedMs: number;
  /** When it was handed to Redis last (clock ms), and when its message says it was; 0 before. */
  sentMs: number;
  stampMs: number;
  /** One of its publications is traced. */
  isTraced: boolean;
  /** It has been handed to Redis at least once, so it may have been executed. */
  wasSent: boolean;
  /** Its publishers were told that the outcome is not known. */
  wasGivenUp: boolean;
}

/** Outcome of one group: where its first publication went (offset 0: nowhere that could be named), or why not. */
export type GroupResult =
  | { readonly ok: true; readonly firstOffset: number; readonly epoch: string }
  | { readonly ok: false; readonly error: BrokerError };

/** What became of an attempt. */
export type SendOutcome =
  | { readonly type: "done"; readonly results: readonly GroupResult[] }
  /** Redis answered with an error before it did anything: the publishers hear it. */
  | { readonly type: "refused"; readonly error: BrokerError }
  /** Older than what Redis remembers: it can never be known. */
  | { readonly type: "forgotten" }
  /** No answer: it may or may not have been executed. */
  | { readonly type: "unknown" }
  /** Not handed over at all: there is no connection. */
  | { readonly type: "unsent" };

export function newBatch<S extends OutboxStream>(seq: number, openedMs: number): OutboxBatch<S> {
  return {
    seq,
    groups: [],
    publications: 0,
    bytes: 0,
    openedMs,
    sentMs: 0,
    stampMs: 0,
    isTraced: false,
    wasSent: false,
    wasGivenUp: false,
  };
}

/** Whether a batch may take so many bytes more; an empty one takes any publication. */
export function hasRoom<S extends OutboxStream>(batch: OutboxBatch<S>, size: number): boolean {
  return (
    !batch.wasSent &&
    batch.publications < MAX_BATCH_PUBLICATIONS &&
    batch.groups.length < MAX_BATCH_GROUPS &&
    (batch.bytes + size <= MAX_BATCH_BYTES || batch.publications === 0)
  );
}

/** The group of a batch that a publication belongs to. */
export function groupFor<S extends OutboxStream>(
  batch: OutboxBatch<S>,
  stream: S,
  publicationId: string | null,
): OutboxGroup<S> {
  if (publicationId === null) {
    // From the end: a channel's publications are mostly neighbours, and must stay in order.
    for (let i = batch.groups.length - 1; i >= 0; i--) {
      const group = batch.groups[i] as OutboxGroup<S>;
      if (group.stream !== stream) continue;
      if (group.publicationId === null) return group;
      break;
    }
  }
  const group = { stream, publicationId, run: new ByteBuffer(256), waiters: [] };
  batch.groups.push(group);
  return group;
}

/** Tells the publishers of a group what became of it, unless they were told already. */
export function settle<S extends OutboxStream>(
  group: OutboxGroup<S>,
  result: GroupResult | undefined,
  wasGivenUp: boolean,
): void {
  if (wasGivenUp || result === undefined) return;
  for (const [index, { ack, requestId }] of group.waiters.entries()) {
    if (!result.ok) ack?.publishFailed(requestId, result.error);
    else if (result.firstOffset === 0) ack?.published(requestId, 0, result.epoch);
    else ack?.published(requestId, result.firstOffset + index, result.epoch);
  }
}

/** Tells the publishers of a batch why it failed, unless they were told already. */
export function fail<S extends OutboxStream>(batch: OutboxBatch<S>, error: BrokerError): void {
  if (batch.wasGivenUp) return;
  for (const { waiters } of batch.groups) {
    for (const { ack, requestId } of waiters) ack?.publishFailed(requestId, error);
  }
}
