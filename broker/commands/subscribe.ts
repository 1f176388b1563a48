import { channelNameKind } from "../../protocol/channel-name.ts";
import { Code } from "../../protocol/codes.ts";
import { badField } from "../../protocol/errors.ts";
import { encodeOk } from "../../protocol/messages/reply.ts";
import { subscribedResult, SubscribeFlag } from "../../protocol/messages/subscribe.ts";
import type { SubscribeCommand } from "../../protocol/messages/subscribe.ts";
import { BrokerError } from "../api.ts";
import type { Channel } from "../channels/channel.ts";
import { attach, detachIfUnused } from "../channels/interest.ts";
import { planRecovery } from "../channels/recovery.ts";
import type { BrokerContext } from "../context.ts";
import { encodeFrames } from "../sessions/json-frames.ts";
import { tellReach } from "../sessions/notices.ts";
import type { Session } from "../sessions/session.ts";

/**
 * Subscribes a session to a channel or pattern [P-6.2]. The reply comes first, then what is recovered,
 * then live publications: no gap and no overlap, because the three are decided in one step.
 * @throws BrokerError or ProtocolError to answer with
 */
export function subscribe(
  context: BrokerContext,
  session: Session,
  command: SubscribeCommand,
): Promise<void> | undefined {
  const { channel: name } = command;
  const kind = channelNameKind(name);
  if (kind === "invalid") throw new BrokerError(Code.badChannel);
  if (session.identity?.grants.maySubscribe(name) !== true) {
    throw new BrokerError(Code.forbidden, "not allowed to subscribe to this");
  }
  if (session.subscriptions.has(name)) throw new BrokerError(Code.alreadySubscribed);
  const { maxSubscriptions } = context.limits;
  if (session.subscriptions.size >= maxSubscriptions) {
    throw new BrokerError(
      Code.channelLimit,
      `a connection may have ${maxSubscriptions} subscriptions`,
    );
  }
  if (kind === "pattern") return subscribeToPattern(context, session, command);
  const channel = context.hub.open(name);
  checkChannel(context, session, command, channel);
  const attaching = attach(context, channel);
  context.stats.subscriptionsOpen++;
  if (attaching === undefined) {
    begin(context, session, command, channel);
    return undefined;
  }
  return whenAttached(context, session, command, attaching, () =>
    begin(context, session, command, channel),
  ).catch((error: unknown) => {
    detachIfUnused(context, channel);
    throw error;
  });
}

function subscribeToPattern(
  context: BrokerContext,
  session: Session,
  command: SubscribeCommand,
): Promise<void> | undefined {
  if (command.recover.type !== "none") throw badField("recover must be nil for a pattern");
  if ((command.flags & SubscribeFlag.presence) !== 0) {
    throw badField("presence is entered channel by channel, not by pattern");
  }
  checkPresenceGrant(session, command);
  if (!context.hub.offersPattern(command.channel)) {
    throw new BrokerError(Code.disabled, "some of these channels can be had by name only");
  }
  context.stats.subscriptionsOpen++;
  const attaching = context.engine.attachAll();
  if (attaching === undefined) {
    beginPattern(context, session, command);
    return undefined;
  }
  return whenAttached(context, session, command, attaching, () =>
    beginPattern(context, session, command),
  ).catch((error: unknown) => {
    context.engine.detachAll();
    throw error;
  });
}

function beginPattern(context: BrokerContext, session: Session, command: SubscribeCommand): void {
  const { channel: pattern, flags } = command;
  const { hub, stats, engine } = context;
  // Publications from before this moment are not for the new subscription. They may be what makes this
  // very session too slow, so that it is closed.
  hub.flushAll();
  if (session.state === "closed") {
    stats.subscriptionsOpen--;
    engine.detachAll();
    return;
  }
  session.subscriptions.set(pattern, { type: "pattern", pattern, flags });
  session.reply(
    encodeOk(
      command.id,
      subscribedResult({ channelId: 0, epoch: "", offset: 0, recovered: false, count: 0 }),
    ),
  );
  hub.addPattern(pattern, session, flags);
  tellReach(context, session);
}

function checkChannel(
  context: BrokerContext,
  session: Session,
  command: SubscribeCommand,
  channel: Channel,
): void {
  const { options } = channel.stream;
  if (usesPresence(command.flags) && !options.presence) {
    throw new BrokerError(Code.disabled, "presence is off for this channel");
  }
  checkPresenceGrant(session, command);
  const { maxSubscribers } = options;
  if (maxSubscribers > 0 && context.hub.subscriberCount(channel) >= maxSubscribers) {
    throw new BrokerError(
      Code.overloaded,
      `the channel has all the subscribers it may have (${maxSubscribers})`,
    );
  }
}

/** Whether a subscription with these flags shows who else is there, or enters itself. */
export function usesPresence(flags: number): boolean {
  return (flags & (SubscribeFlag.presence | SubscribeFlag.joinLeave)) !== 0;
}

function checkPresenceGrant(session: Session, { channel, flags }: SubscribeCommand): void {
  if (!usesPresence(flags) || session.identity?.grants.mayPresence(channel) === true) return;
  throw new BrokerError(Code.forbidden, "not allowed to use the presence of this");
}

/** Begins a subscription once the engine has confirmed its own; the client may take it back meanwhile. */
async function whenAttached(
  context: BrokerContext,
  session: Session,
  command: SubscribeCommand,
  attaching: Promise<void>,
  beginNow: () => void,
): Promise<void> {
  const pending = { type: "pending" as const, flags: command.flags, isCancelled: false };
  session.subscriptions.set(command.channel, pending);
  try {
    await attaching;
  } catch (error) {
    if (!pending.isCancelled) {
      session.subscriptions.delete(command.channel);
      context.stats.subscriptionsOpen--;
    }
    throw error;
  }
  if (pending.isCancelled) throw new BrokerError(Code.notSubscribed, "unsubscribed meanwhile");
  session.subscriptions.delete(command.channel);
  beginNow();
}

/** Everything from here to the end happens in one go: nothing can be published in between. */
function begin(
  context: BrokerContext,
  session: Session,
  command: SubscribeCommand,
  channel: Channel,
): void {
  const { stats, clock, hub } = context;
  const { stream } = channel;
  // Earlier subscribers get what is pending; the new one gets it from the log, or not at all.
  hub.flush(channel);
  // That may have been what makes this very session too slow, so that it is closed.
  if (session.state === "closed") {
    stats.subscriptionsOpen--;
    detachIfUnused(context, channel);
    return;
  }
  if (command.recover.type !== "none" && session.outbound.isReplayFull) {
    stats.subscriptionsOpen--;
    detachIfUnused(context, channel);
    throw new BrokerError(Code.tooManyRequests, "read what was recovered before asking for more", {
      retryAfterMs: 1000,
    });
  }
  const { log, epoch } = stream;
  const plan = planRecovery(command.recover, {
    epoch,
    parent: stream.parent,
    offset: log.offset,
    firstOffset: log.firstOffset(clock.nowMs()),
  });
  if (command.recover.type === "position") {
    if (plan.recovered) stats.recoveriesComplete++;
    else stats.recoveriesIncomplete++;
  }
  // Before anything is sent: should that close the session as too slow, this ends with the rest of it.
  const subscriber = channel.add(session, command.flags);
  session.subscriptions.set(command.channel, { type: "channel", channel, subscriber });
  session.reply(
    encodeOk(
      command.id,
      subscribedResult({
        channelId: stream.id,
        epoch,
        offset: log.offset,
        recovered: plan.recovered,
        count: plan.count,
      }),
    ),
  );
  session.announced.delete(channel.id);
  for (const slice of log.read(plan.fromOffset, plan.count)) {
    session.outbound.replay(session.format === "json" ? encodeFrames(slice.bytes) : slice.bytes);
    stats.deliveries += slice.count;
  }
  if (
    (command.flags & SubscribeFlag.presence) !== 0 &&
    session.subscriptions.has(command.channel)
  ) {
    const user = session.identity?.user ?? null;
    context.engine.enterPresence(stream, { connection: session.id, user });
  }
  tellReach(context, session);
}
