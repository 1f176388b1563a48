import { isChannelName } from "../../protocol/channel-name.ts";
import { Code } from "../../protocol/codes.ts";
import { presenceResult } from "../../protocol/messages/presence.ts";
import type { PresenceCommand, PresenceMember } from "../../protocol/messages/presence.ts";
import { encodeOk } from "../../protocol/messages/reply.ts";
import { BrokerError } from "../api.ts";
import type { BrokerContext } from "../context.ts";
import type { Session } from "../sessions/session.ts";

/** Lists who is present on a channel [P-6.7]. */
export function presence(
  context: BrokerContext,
  session: Session,
  command: PresenceCommand,
): Promise<void> | undefined {
  const { channel: name, id } = command;
  if (!isChannelName(name)) throw new BrokerError(Code.badChannel);
  if (session.identity?.grants.mayPresence(name) !== true) {
    throw new BrokerError(Code.forbidden, "not allowed to read the presence of this channel");
  }
  const channel = context.hub.open(name);
  if (!channel.stream.options.presence) throw new BrokerError(Code.disabled);
  const reply = (members: readonly PresenceMember[]): void =>
    session.reply(encodeOk(id, presenceResult(members)));
  const members = context.engine.presence(channel.stream);
  if (members instanceof Promise) return members.then(reply);
  reply(members);
  return undefined;
}
