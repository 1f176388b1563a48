import type { BrokerContext } from "../context.ts";
import type { Channel } from "./channel.ts";

/**
 * Makes sure that the engine delivers the channel here. Undefined when it does already; else a promise
 * that every subscriber who came meanwhile shares.
 */
export function attach(context: BrokerContext, channel: Channel): Promise<void> | undefined {
  if (channel.attachment === "attached") return undefined;
  if (channel.attachment !== "detached") return channel.attachment;
  const attaching = context.engine.attach(channel.stream);
  if (attaching === undefined) {
    channel.attachment = "attached";
    return undefined;
  }
  const attachment = attaching.then(
    () => {
      channel.attachment = "attached";
    },
    (error: unknown) => {
      channel.attachment = "detached";
      throw error;
    },
  );
  channel.attachment = attachment;
  return attachment;
}

/** Gives the interest back once the last subscriber has left. */
export function detachIfUnused(context: BrokerContext, channel: Channel): void {
  if (channel.attachment !== "attached" || context.hub.subscriberCount(channel) > 0) return;
  channel.attachment = "detached";
  context.engine.detach(channel.stream);
}

/** A publication came on a channel that is not open here: opens it if a pattern matches. */
export function adopt(context: BrokerContext, name: string): void {
  const { hub, logger } = context;
  if (!hub.isMatched(name)) return;
  const channel = hub.open(name);
  attach(context, channel)?.catch((error: unknown) => {
    logger.log("warn", "attach_failed", { channel: name, error: String(error) });
  });
}
