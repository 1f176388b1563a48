import { isChannelName } from "../../protocol/channel-name.ts";
import { Code } from "../../protocol/codes.ts";
import { historyResult } from "../../protocol/messages/history.ts";
import type { HistoryCommand, HistoryResult } from "../../protocol/messages/history.ts";
import type { PublicationMeta } from "../../protocol/messages/meta.ts";
import { encodeOk } from "../../protocol/messages/reply.ts";
import { BrokerError } from "../api.ts";
import type { BrokerContext } from "../context.ts";
import type { Session } from "../sessions/session.ts";

/** Reads kept publications [P-6.5]; who may subscribe may read. */
export function history(
  context: BrokerContext,
  session: Session,
  command: HistoryCommand,
): Promise<void> | undefined {
  const { channel: name, id } = command;
  if (!isChannelName(name)) throw new BrokerError(Code.badChannel);
  if (session.identity?.grants.maySubscribe(name) !== true) {
    throw new BrokerError(Code.forbidden, "not allowed to read this channel");
  }
  const channel = context.hub.open(name);
  if (channel.stream.options.historySize === 0) {
    throw new BrokerError(Code.disabled, "history is off for this channel");
  }
  const reply = (result: HistoryResult): void =>
    session.reply(
      encodeOk(
        id,
        historyResult(fitting(result, command.since !== null, context.limits.maxMessageBytes)),
      ),
    );
  const result = context.engine.history(channel.stream, command);
  if (result instanceof Promise) return result.then(reply);
  reply(result);
  return undefined;
}

/**
 * As many of the publications as fit a reply of this size, at least one: the oldest of those after a
 * position (the client asks again for the rest), the newest of the newest.
 */
function fitting(result: HistoryResult, isAfterPosition: boolean, maxBytes: number): HistoryResult {
  const { publications } = result;
  const inOrder = isAfterPosition ? publications : publications.toReversed();
  let bytes = 0;
  let count = 0;
  for (const { payload, meta } of inOrder) {
    bytes += payload.length + (meta === null ? 0 : metaBytes(meta)) + ITEM_BYTES;
    if (bytes > maxBytes && count > 0) break;
    count++;
  }
  if (count === publications.length) return result;
  const kept = isAfterPosition ? publications.slice(0, count) : publications.slice(-count);
  return { ...result, publications: kept };
}

/** What an item takes beside payload and meta: offset, headers, nils. */
const ITEM_BYTES = 64;

/** At least what a meta field takes: its strings are ASCII or counted as the three bytes a unit can become. */
function metaBytes(meta: PublicationMeta): number {
  let units = 0;
  for (const text of [meta.id, meta.key, meta.traceparent, meta.tracestate, meta.user]) {
    units += text?.length ?? 0;
  }
  for (const [name, value] of meta.headers ?? []) units += name.length + value.length + 4;
  return units * 3;
}
