import type { ReceiptCommand } from "../../protocol/messages/receipt.ts";
import type { Channel } from "../channels/channel.ts";
import type { BrokerContext } from "../context.ts";
import type { Session } from "../sessions/session.ts";

/** Takes in that a client reported a delivery [P-6.10]. Of a channel it has nothing to do with, it is ignored. */
export function receipt(context: BrokerContext, session: Session, command: ReceiptCommand): void {
  const { stats, hub, tracer } = context;
  stats.receipts++;
  const channel = hub.ofId(command.channelId);
  if (channel === undefined || !isSubscribed(session, channel)) return;
  tracer.receipts.receipt(session, channel, command);
}

/** By its name, or by a pattern. */
function isSubscribed(session: Session, channel: Channel): boolean {
  return (
    session.subscriptions.get(channel.name)?.type === "channel" || session.announced.has(channel.id)
  );
}
