import { encodePong } from "../../protocol/messages/ping.ts";
import type { PingCommand } from "../../protocol/messages/ping.ts";
import type { BrokerContext } from "../context.ts";
import type { Session } from "../sessions/session.ts";

/** Answers with the broker's clock, so that a client can estimate the offset of its own [P-6.6]. */
export function ping(context: BrokerContext, session: Session, command: PingCommand): void {
  const { id, clientTimeMs } = command;
  session.reply(encodePong({ id, clientTimeMs, serverTimeMs: context.clock.wallMs() }));
}
