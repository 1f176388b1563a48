import { isChannelName } from "../../protocol/channel-name.ts";
import { Code } from "../../protocol/codes.ts";
import type { PublishCommand, PublishView } from "../../protocol/messages/publish.ts";
import type { Channel } from "../channels/channel.ts";
import type { BrokerContext } from "../context.ts";
import { encodeMeta } from "../meta.ts";
import { takePublish } from "../rate-limit.ts";
import type { Session } from "../sessions/session.ts";
import { givenContext } from "../tracing/publish-trace.ts";

/** Publishes a hot frame straight from the message it came in [P-6.4]. */
export function publishView(
  context: BrokerContext,
  session: Session,
  bytes: Uint8Array,
  view: PublishView,
): void {
  const { id, payloadStart, payloadEnd } = view;
  const channel = isLastChannel(session, bytes, view.channelStart, view.channelEnd)
    ? (session.lastChannel as Channel)
    : findChannel(context, session, id, bytes, view.channelStart, view.channelEnd);
  if (channel === null || !isAccepted(context, session, id, channel, payloadEnd - payloadStart))
    return;
  const { ingest } = context;
  const offset = ingest.publishPlain(channel, bytes, payloadStart, payloadEnd, session, id);
  // A refusal is told even when no reply was asked for: nothing is dropped unsaid.
  if (offset > 0 && id !== 0) session.outbound.published(id, offset, channel.stream.epoch);
}

/** Publishes a frame that came decoded: with meta, or in another encoding than the usual. */
export function publish(context: BrokerContext, session: Session, command: PublishCommand): void {
  const { id, payload, meta } = command;
  const channel = openChannel(context, session, id, command.channel);
  if (channel === null || !isAccepted(context, session, id, channel, payload.length)) return;
  const encoded =
    meta === null ? null : encodeMeta(meta, context.clock.wallMs(), session.identity?.user ?? null);
  const [publicationId, key] = meta === null ? [null, null] : [meta.id, meta.key];
  const given = givenContext(meta, session.identity?.mayTrace === true);
  const offset = context.ingest.publish(
    channel,
    payload,
    0,
    payload.length,
    encoded,
    publicationId,
    key,
    session,
    id,
    given,
    meta === null ? null : meta.timeMs,
  );
  if (offset > 0 && id !== 0) session.outbound.published(id, offset, channel.stream.epoch);
}

function isLastChannel(session: Session, bytes: Uint8Array, start: number, end: number): boolean {
  const last = session.lastChannelName;
  if (last === null || last.length !== end - start || session.lastChannel?.isClosed === true) {
    return false;
  }
  // Names mostly differ near their ends.
  for (let i = last.length - 1; i >= 0; i--) if (last[i] !== bytes[start + i]) return false;
  return true;
}

function findChannel(
  context: BrokerContext,
  session: Session,
  id: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): Channel | null {
  const name = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
  const channel = openChannel(context, session, id, name);
  if (channel !== null) {
    session.lastChannelName = bytes.slice(start, end);
    session.lastChannel = channel;
  }
  return channel;
}

function openChannel(
  context: BrokerContext,
  session: Session,
  id: number,
  name: string,
): Channel | null {
  const identity = session.identity;
  const known = context.hub.find(name);
  if (known === undefined && !isChannelName(name)) {
    session.fail(id, Code.badChannel, "not a valid channel name");
    return null;
  }
  if (identity === null || !identity.grants.mayPublish(name)) {
    session.fail(id, Code.forbidden, "not allowed to publish on this channel");
    return null;
  }
  return known ?? context.hub.open(name);
}

function isAccepted(
  context: BrokerContext,
  session: Session,
  id: number,
  channel: Channel,
  payloadBytes: number,
): boolean {
  const { maxPayloadBytes } = channel.stream.options;
  if (payloadBytes > maxPayloadBytes) {
    session.fail(id, Code.tooLarge, `a payload may have ${maxPayloadBytes} bytes`);
    return false;
  }
  const { publishLimit, publishByteLimit } = session;
  if (publishLimit.isOff && publishByteLimit.isOff) return true;
  const refusal = takePublish(publishLimit, publishByteLimit, payloadBytes, context.clock.nowMs());
  if (refusal === null) return true;
  session.flooded(id, refusal.reason, refusal.retryAfterMs);
  return false;
}
