import { encodeNotice } from "../../protocol/messages/notice.ts";
import type { BrokerContext } from "../context.ts";
import type { Session, Subscription } from "./session.ts";

const MESSAGES = {
  degraded: "this node does not get what others publish for the moment; it catches up by itself",
  ok: "this node gets everything again",
} as const;

/** Tells every session what has changed for it [P-7.9]. */
export function tellReachToAll(context: BrokerContext): void {
  for (const session of context.registry.all()) tellReach(context, session);
}

/** Tells a session whether what it is subscribed to reaches this node, if it has not been told so already. */
export function tellReach(context: BrokerContext, session: Session): void {
  const { toldDegraded: told } = session;
  const now = degradedName(context, session);
  if (now === undefined) {
    if (told === undefined) return;
    session.reply(encodeNotice({ channel: told, state: "ok", message: MESSAGES.ok }));
  } else {
    // Several stay several until the last of them is whole.
    if (now === told || told === null) return;
    session.reply(encodeNotice({ channel: now, state: "degraded", message: MESSAGES.degraded }));
  }
  session.toldDegraded = now;
}

/** The one subscription that is concerned, null for several, undefined for none. */
function degradedName(context: BrokerContext, session: Session): string | null | undefined {
  let found: string | undefined;
  for (const [name, subscription] of session.subscriptions) {
    if (isReached(context, subscription)) continue;
    if (found !== undefined) return null;
    found = name;
  }
  return found;
}

function isReached({ engine }: BrokerContext, subscription: Subscription): boolean {
  if (engine.isReached === undefined || subscription.type === "pending") return true;
  return engine.isReached(subscription.type === "channel" ? subscription.channel.stream : null);
}
