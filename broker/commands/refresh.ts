import { Code } from "../../protocol/codes.ts";
import { refreshedResult } from "../../protocol/messages/refresh.ts";
import type { RefreshCommand } from "../../protocol/messages/refresh.ts";
import { encodeOk } from "../../protocol/messages/reply.ts";
import { encodeUnsubscribed } from "../../protocol/messages/unsubscribe.ts";
import type { BrokerContext } from "../context.ts";
import type { Identity } from "../ports.ts";
import type { Session, Subscription } from "../sessions/session.ts";
import { tokenExpiresInMs } from "./connect.ts";
import { usesPresence } from "./subscribe.ts";
import { endSubscription } from "./unsubscribe.ts";

/**
 * Replaces the connection's token by a newer one of the same user [P-6.8]. A token that is refused leaves
 * the connection as it was. Subscriptions the new one no longer allows end.
 */
export async function refresh(
  context: BrokerContext,
  session: Session,
  command: RefreshCommand,
): Promise<void> {
  const identity = await context.authGate.authenticate(command.token, session.failureKey);
  if (session.state !== "connected") return;
  if (identity.user !== session.identity?.user) {
    session.fail(command.id, Code.forbidden, "a new token must be for the same user");
    return;
  }
  session.identity = identity;
  session.wasToldOfExpiry = false;
  session.forgetDecisions();
  for (const [name, subscription] of session.subscriptions) {
    if (isAllowed(identity, name, subscription)) continue;
    endSubscription(context, session, name);
    const { code, name: codeName, text } = Code.forbidden;
    session.reply(encodeUnsubscribed({ channel: name, code, name: codeName, message: text }));
  }
  session.reply(encodeOk(command.id, refreshedResult(tokenExpiresInMs(context, identity))));
}

function isAllowed({ grants }: Identity, name: string, subscription: Subscription): boolean {
  const { flags } = subscription.type === "channel" ? subscription.subscriber : subscription;
  return grants.maySubscribe(name) && (!usesPresence(flags) || grants.mayPresence(name));
}
