import { Code } from "../../protocol/codes.ts";
import { encodeOk } from "../../protocol/messages/reply.ts";
import { SubscribeFlag } from "../../protocol/messages/subscribe.ts";
import { encodeUnsubscribed } from "../../protocol/messages/unsubscribe.ts";
import type { UnsubscribeCommand } from "../../protocol/messages/unsubscribe.ts";
import type { Channel } from "../channels/channel.ts";
import { detachIfUnused } from "../channels/interest.ts";
import type { BrokerContext } from "../context.ts";
import type { Session } from "../sessions/session.ts";

/** Ends a subscription [P-6.3]; nothing of it follows the reply. */
export function unsubscribe(
  context: BrokerContext,
  session: Session,
  command: UnsubscribeCommand,
): void {
  if (!endSubscription(context, session, command.channel)) {
    session.fail(command.id, Code.notSubscribed);
    return;
  }
  session.reply(encodeOk(command.id, null));
}

/** Takes a subscription back, whoever asks for it; false when there is none. */
export function endSubscription(context: BrokerContext, session: Session, name: string): boolean {
  const subscription = session.subscriptions.get(name);
  if (subscription === undefined) return false;
  session.subscriptions.delete(name);
  context.stats.subscriptionsOpen--;
  switch (subscription.type) {
    case "pending":
      subscription.isCancelled = true;
      break;
    case "pattern":
      context.hub.removePattern(subscription.pattern, session);
      context.engine.detachAll();
      break;
    case "channel": {
      const { channel, subscriber } = subscription;
      // What was published before the unsubscribe is still delivered.
      context.hub.flush(channel);
      channel.remove(subscriber);
      if ((subscriber.flags & SubscribeFlag.presence) !== 0) {
        const user = session.identity?.user ?? null;
        context.engine.leavePresence(channel.stream, { connection: session.id, user });
      }
      detachIfUnused(context, channel);
    }
  }
  return true;
}

/** The channel's stream cannot be continued: the client is to subscribe anew, and hears what it can have. */
export function endByReset(context: BrokerContext, session: Session, channel: Channel): void {
  if (!endSubscription(context, session, channel.name)) return;
  const { code, name, text } = Code.resync;
  session.reply(encodeUnsubscribed({ channel: channel.name, code, name, message: text }));
}
