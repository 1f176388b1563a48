import { decodeBinary } from "../../protocol/binary-codec.ts";
import { MAX_PUSH_DEPTH } from "../../protocol/limits.ts";
import type { HistoryItem, HistoryResult } from "../../protocol/messages/history.ts";
import { decodePublication } from "../../protocol/messages/publication.ts";
import { frameEnd } from "../../protocol/reader.ts";
import type { HistoryQuery } from "../engine/engine.ts";
import type { LogSlice, PublicationLog } from "../engine/publication-log.ts";
import type { Stream } from "../engine/stream.ts";
import { planRecovery } from "./recovery.ts";
import type { StreamState } from "./recovery.ts";

/** Answers a history query from the stream's own log. */
export function readHistory(stream: Stream, query: HistoryQuery, nowMs: number): HistoryResult {
  const { log, epoch, parent } = stream;
  const firstOffset = log.firstOffset(nowMs);
  return answerFrom(log, { epoch, parent, offset: log.offset, firstOffset }, query);
}

/** Answers a history query from a log and where its stream is. */
export function answerFrom(
  log: PublicationLog,
  state: StreamState,
  { since, limit }: HistoryQuery,
): HistoryResult {
  const plan = planRecovery(
    since === null ? { type: "last", count: limit } : { type: "position", position: since },
    state,
  );
  const isComplete = since === null || plan.recovered;
  // A reader that asks from too far back gets what there is, and is told that it is not all.
  const from = isComplete ? plan.fromOffset : state.firstOffset;
  return {
    epoch: state.epoch,
    offset: state.offset,
    complete: isComplete,
    publications: log.read(from, limit).flatMap(publicationsOf),
  };
}

/** Decodes the publications of a slice; their payloads are copies. */
export function publicationsOf(slice: LogSlice): HistoryItem[] {
  const items: HistoryItem[] = [];
  let at = 0;
  while (at < slice.bytes.length) {
    const end = frameEnd(slice.bytes, at, slice.bytes.length, MAX_PUSH_DEPTH, 8);
    const { offset, payload, meta } = decodePublication(decodeBinary(slice.bytes, at, end));
    items.push({ offset, payload, meta });
    at = end;
  }
  return items;
}
